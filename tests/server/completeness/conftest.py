"""A lab with one node at a site, in a database of each test's own."""

from collections.abc import Iterator

import psycopg
import pytest

from server.ingest.connection import open_connection
from tests.fixtures_stack import Database
from tests.server.ingest.testlab import NODE, Lab, Wire


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def lab(database: Database) -> Iterator[Lab]:
    dsn = database.dsn_as("msl_ingest")
    with psycopg.connect(database.dsn, autocommit=True) as admin, open_connection(dsn) as conn:
        admin.execute("INSERT INTO lab (lab_id, name) VALUES ('testlab', 'Test')")
        found = Lab(dsn=dsn, conn=conn, admin=admin)
        found.add_node(NODE)
        yield found
