"""How fast records get from the broker into the table: `python -m benchmarks.ingest`."""
