"""Fixtures that the API's and the console's tests share; their conftest files import them."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.fixtures_stack import Database
from tests.server.api.pilot import Pilot
from tests.server.api.served import TOKEN, served


@pytest.fixture
def pilot(database: Database) -> Iterator[Pilot]:
    """Writes what ingest would have written."""
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        yield Pilot(conn)


@pytest.fixture
def client(database: Database) -> Iterator[httpx.Client]:
    """A server that takes no changes."""
    with served(database.dsn_as("msl_api")) as client:
        yield client


@pytest.fixture
def writer(database: Database) -> Iterator[httpx.Client]:
    """A server that takes changes, and a client that has its token."""
    with served(database.dsn_as("msl_api"), write_token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client
