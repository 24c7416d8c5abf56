"""The running stack, as its users find it."""

import psycopg
import pytest

from provisioning.localstack import Postgres
from tests.fixtures_stack import Database

pytestmark = pytest.mark.db


def test_a_killed_server_recovers_what_was_committed(empty_database: Database) -> None:
    with psycopg.connect(empty_database.dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT generate_series(1, 5000) AS n")
    empty_database.postgres.kill()
    empty_database.postgres.start()
    with psycopg.connect(empty_database.dsn) as conn:
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (5000,)


def test_databases_are_empty_utc_and_know_timescaledb(empty_database: Database) -> None:
    with psycopg.connect(empty_database.dsn) as conn:
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
        conn.execute("CREATE EXTENSION timescaledb")
        assert conn.execute("SHOW timescaledb.telemetry_level").fetchone() == ("off",)
        tables = conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchone() == (0,)


def test_a_restored_dump_holds_the_rows_of_its_hypertable(empty_database: Database) -> None:
    server = empty_database.postgres
    with psycopg.connect(empty_database.dsn, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION timescaledb")
        conn.execute("CREATE TABLE lux (t timestamptz NOT NULL, v float4)")
        conn.execute("SELECT create_hypertable('lux', 't')")
        conn.execute(
            "INSERT INTO lux SELECT '2026-01-01'::timestamptz + n * interval '1 hour', n"
            " FROM generate_series(1, 500) AS n"
        )
        dump = server.dump(empty_database.name)
        conn.execute("TRUNCATE lux")
    server.restore(dump, empty_database.name)
    with psycopg.connect(empty_database.dsn) as conn:
        assert conn.execute("SELECT count(*), sum(v) FROM lux").fetchone() == (500, 125250)
        hypertables = conn.execute("SELECT count(*) FROM timescaledb_information.hypertables")
        assert hypertables.fetchone() == (1,)


def test_a_password_is_needed_even_on_loopback(postgres: Postgres) -> None:
    without = f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(without)


def test_a_migrated_database_survives_dump_and_restore_with_its_roles(database: Database) -> None:
    server = database.postgres
    server.restore(server.dump(database.name), database.name)
    with psycopg.connect(database.dsn_as("msl_ingest")) as conn:
        assert conn.execute("SELECT session_user").fetchone() == ("msl_ingest",)
    with psycopg.connect(database.dsn) as conn:
        hypertables = conn.execute("SELECT count(*) FROM timescaledb_information.hypertables")
        assert hypertables.fetchone() != (0,)
