"""The municipal server: ingest, database, registry, API, console and the work behind them."""
