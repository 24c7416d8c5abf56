"""A street with lamps, and the roles that tell and tend them."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures_stack import Database
from tests.server.api.fixtures import client, pilot, writer
from tests.server.lamps.street import Street

__all__ = ["client", "pilot", "writer"]


@pytest.fixture
def street(database: Database) -> Iterator[Street]:
    """Writes as the superuser."""
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        yield Street(conn)


@pytest.fixture
def worker(database: Database) -> Iterator[psycopg.Connection]:
    """The worker's own connection."""
    with psycopg.connect(database.dsn_as("msl_worker"), autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        yield conn


@pytest.fixture
def api(database: Database) -> Iterator[psycopg.Connection]:
    """The API's own connection."""
    with psycopg.connect(database.dsn_as("msl_api"), autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        yield conn
