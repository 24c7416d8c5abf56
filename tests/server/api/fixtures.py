"""Fixtures that the API's and the console's tests share; their conftest files import them."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from provisioning.localstack import LocalStack
from tests.fixtures_stack import Database
from tests.server.api.pilot import Pilot
from tests.server.api.served import TOKEN, served


@pytest.fixture
def pilot(database: Database) -> Iterator[Pilot]:
    """Writes what ingest would have written."""
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        yield Pilot(conn)


@pytest.fixture(scope="module")
def lasting_database(
    stack: LocalStack, migrated_template: str, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """One database for all tests of a file that leave it as it was: refusals, above all."""
    name = f"lasting_{request.module.__name__.rpartition('.')[2]}"
    stack.postgres.create_database(name, template=migrated_template)
    yield Database(name=name, postgres=stack.postgres)
    stack.postgres.drop_database(name)


@pytest.fixture(scope="module")
def lasting_client(lasting_database: Database) -> Iterator[httpx.Client]:
    """A server on the file's database that takes no changes."""
    with served(lasting_database.dsn_as("msl_api")) as client:
        yield client


@pytest.fixture(scope="module")
def lasting_writer(lasting_database: Database) -> Iterator[httpx.Client]:
    """A server on the file's database that takes changes, and a client with its token."""
    with served(lasting_database.dsn_as("msl_api"), write_token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client


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
