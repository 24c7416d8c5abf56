"""From hourly rollups to weekly outcomes: what was observed, for how long, and where it broke."""
