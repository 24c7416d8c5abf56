"""A city of 500 nodes with a year of rollups and 30 days of raw records, made once and kept."""
