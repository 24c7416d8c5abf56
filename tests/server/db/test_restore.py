"""A backup brings back everything: data, views, grants, hypertables, the record of migrations."""

import psycopg
import pytest

from server.db.migrate import migrate
from server.work.rollup import roll_up
from tests.fixtures_stack import Database
from tests.server.work.conftest import fill_registry
from tests.server.work.raw import insert
from tests.server.work.recomputed import assert_views_are_recomputed

pytestmark = pytest.mark.db


def test_a_restored_database_goes_on_where_the_backup_was(database: Database) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        fill_registry(conn)
        conn.execute(
            "INSERT INTO deployment (node_id, site_id, from_t)"
            " VALUES ('lamp-01', 'quay', '2025-01-01Z')"
        )
        for stream in ("light", "noise", "footfall", "health"):
            insert(conn, stream, "lamp-01", 0)
        roll_up(conn)
        insert(conn, "noise", "lamp-01", 1)
    postgres = database.postgres
    postgres.restore(postgres.dump(database.name), database.name)

    assert migrate(database.dsn) == []
    with psycopg.connect(database.dsn_as("msl_ingest"), autocommit=True) as ingest:
        insert(ingest, "light", "lamp-01", 4 * 24 * 30)  # a chunk that wasn't there
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        assert_views_are_recomputed(conn)
    with psycopg.connect(database.dsn_as("msl_worker"), autocommit=True) as worker:
        assert roll_up(worker) == 2
    with psycopg.connect(database.dsn_as("msl_grafana")) as grafana:
        assert grafana.execute("SELECT laeq_db, la10_db FROM noise_1h").fetchall() != []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            grafana.execute("SELECT * FROM light_raw")
