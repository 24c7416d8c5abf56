"""The database: migrations, roles, connections, the TimescaleDB edition."""
