"""A lab with one node. The database is cloned once and emptied before each test: much faster."""

from collections.abc import Iterator

import psycopg
import pytest

from provisioning.localstack import LocalStack, Postgres
from server.ingest.connection import open_connection
from tests.server.ingest.testlab import NODE, Lab, Wire

_NAME = "ingest_tests"
_DELETE_ALL = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('flag', 'migration', 'rollup_seal')
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""


@pytest.fixture(scope="session")
def ingest_database(migrated_template: str, stack: LocalStack) -> str:
    """Name of a database for all tests of this folder."""
    stack.postgres.create_database(_NAME, template=migrated_template)
    return _NAME


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def lab(ingest_database: str, postgres: Postgres) -> Iterator[Lab]:
    dsn = postgres.dsn(user="msl_ingest", dbname=ingest_database)
    as_superuser = postgres.dsn(dbname=ingest_database)
    with psycopg.connect(as_superuser, autocommit=True) as admin, open_connection(dsn) as conn:
        _empty(admin)
        admin.execute("INSERT INTO lab (lab_id, name) VALUES ('testlab', 'Test')")
        found = Lab(dsn=dsn, conn=conn, admin=admin)
        found.add_node(NODE)
        yield found


def _empty(admin: psycopg.Connection) -> None:
    # DELETE, since TRUNCATE makes new files for every table, chunk and index.
    admin.execute("SET session_replication_role = replica")
    admin.execute(_DELETE_ALL)
    admin.execute("UPDATE rollup_seal SET before = '-infinity'")
    admin.execute("RESET session_replication_role")
