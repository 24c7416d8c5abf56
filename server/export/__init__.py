"""What was measured, as tidy files and streams that other programs read: CSV and Parquet."""
