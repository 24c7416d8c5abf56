"""Which TimescaleDB this is; found at start and said, never configured."""

from dataclasses import dataclass
from typing import Literal

import psycopg


@dataclass(frozen=True)
class Edition:
    """`apache` (Debian's packages) or `community` (columnstore), and the versions."""

    name: Literal["apache", "community"]
    timescaledb: str
    postgresql: str

    def __str__(self) -> str:
        ours = f"TimescaleDB {self.timescaledb} ({self.name} edition)"
        return f"{ours} on PostgreSQL {self.postgresql}"


def read_edition(conn: psycopg.Connection) -> Edition:
    """Ask the server. Raises LookupError when the extension isn't installed in this database."""
    row = conn.execute(
        "SELECT extversion, current_setting('timescaledb.license', true),"
        " current_setting('server_version') FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    if row is None:
        raise LookupError(
            f"database {conn.info.dbname!r} has no TimescaleDB; run msl migrate as a superuser"
        )
    version, license_name, server = row
    return Edition(
        "community" if license_name == "timescale" else "apache", version, server.split()[0]
    )
