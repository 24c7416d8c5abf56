"""A small registry: two nodes, three sites in zones with whole, half and quarter hours."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures_stack import Database

ZONES = {"park": "Europe/Berlin", "quay": "Asia/Kolkata", "yard": "Asia/Kathmandu"}
NODES = ("lamp-01", "lamp-02")


def fill_registry(conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO lab (lab_id, name) VALUES ('lab', 'Lab')")
    for site, zone in ZONES.items():
        conn.execute(
            "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
            " VALUES (%s, 'lab', %s, %s, 50, 10)",
            [site, site.title(), zone],
        )
    for node in NODES:
        conn.execute(
            "INSERT INTO node (node_id, lab_id, created_at) VALUES (%s, 'lab', '2025-01-01')",
            [node],
        )


@pytest.fixture
def db(database: Database) -> Iterator[psycopg.Connection]:
    """Superuser's connection to a database with the small registry, in autocommit mode."""
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        fill_registry(conn)
        yield conn


@pytest.fixture
def worker(database: Database) -> Iterator[psycopg.Connection]:
    """The worker's own connection."""
    with psycopg.connect(database.dsn_as("msl_worker"), autocommit=True) as conn:
        yield conn
