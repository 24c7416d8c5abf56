"""What each role can't do. Logged in for real, so that `SET ROLE` hides nothing."""

import psycopg
import pytest

from tests.fixtures_stack import Database

pytestmark = pytest.mark.db

INSERT_LAB = "INSERT INTO lab (lab_id, name) VALUES ('x1', 'x')"
REFUSED = {
    "msl_ingest": [
        "SELECT laeq FROM noise_raw",
        "SELECT a_to_b FROM footfall_line_raw",
        "UPDATE light_raw SET lux_p50 = 0",
        "DELETE FROM light_raw",
        "UPDATE rollup_seal SET before = 'infinity'",
        "DELETE FROM rollup_mark",
        "DELETE FROM ledger",
        "SELECT * FROM audit",
        "UPDATE node SET created_at = now()",
        INSERT_LAB,
        "SELECT drop_sealed('light')",
        "SELECT release_held(1)",
        "CREATE TABLE mine (n integer)",
        "TRUNCATE light_raw",
    ],
    "msl_api": [
        "INSERT INTO light_raw (t) VALUES (now())",
        "UPDATE noise_raw SET laeq = 0",
        "DELETE FROM footfall_raw",
        "UPDATE ledger SET lost = '{}'",
        "DELETE FROM dead_letter",
        "INSERT INTO audit (actor, action, object, object_id) VALUES ('a', 'b', 'c', 'd')",
        "DELETE FROM audit",
        "UPDATE calibration SET gain = 2",
        "UPDATE exclusion SET to_t = now()",
        "UPDATE clock_correction SET offset_ms = 0",
        "DELETE FROM site",
        "INSERT INTO rollup_mark (node_id, stream, hour) VALUES ('a', 'b', now())",
        "UPDATE flag SET rollup = true",
        "SELECT drop_sealed('light')",
    ],
    "msl_worker": [
        "DELETE FROM light_raw",
        "INSERT INTO light_raw (t) VALUES (now())",
        "SELECT drop_chunks('light_raw', now())",
        "UPDATE ledger SET lost = '{}'",
        "DELETE FROM dead_letter",
        "DELETE FROM audit",
        INSERT_LAB,
    ],
    "msl_grafana": [
        "SELECT * FROM light_raw",
        "SELECT * FROM public.light_1h",
        "SELECT * FROM public.node",
        "SELECT * FROM audit",
        "SELECT * FROM dead_letter",
        "SELECT * FROM pub.footfall_1h",
        "SET TRANSACTION READ WRITE; " + INSERT_LAB,
        "SELECT mark_hours(NULL, ARRAY['light'], '-infinity', NULL)",
        "SELECT release_held(1)",
    ],
    "msl_public": [
        "SELECT * FROM dash.footfall_1h",
        "SELECT * FROM dash.nodes",
        "SELECT * FROM footfall_line_1h",
        "SELECT * FROM site",
        "SET TRANSACTION READ WRITE; " + INSERT_LAB,
    ],
}
ALLOWED = {
    "msl_ingest": [
        "SELECT t, node_id, spool, seq FROM light_raw",
        "SELECT before FROM rollup_seal FOR SHARE",
        "SELECT complete_to(l) FROM ledger AS l FOR UPDATE",
    ],
    "msl_api": [
        "SELECT * FROM noise_1h",
        "SELECT * FROM dash.latest",
        "SELECT * FROM pub.light_1h",
        INSERT_LAB,
    ],
    "msl_worker": [
        "SELECT drop_sealed('light')",
        "SELECT * FROM light_1h_marked",
        "DELETE FROM walk_test",
    ],
    "msl_grafana": [
        *(
            f"SELECT * FROM dash.{view}"
            for view in (
                "sites", "nodes", "light_1m", "noise_1m", "footfall", "health_1m",
                "light_1h", "noise_1h", "footfall_1h", "occupancy_1h", "health_1h", "light_1d",
                "noise_1d", "footfall_1d", "coverage_1h", "coverage_1d", "freshness", "latest",
                "interventions", "platform",
            )
        ),
        "SELECT time_bucket('1 hour', t), avg(lux) FROM light_1m GROUP BY 1",
    ],
    "msl_public": ["SELECT * FROM footfall_1h", "SELECT * FROM pub.noise_1h"],
}  # fmt: skip


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(role, statement) for role, some in table.items() for statement in some]


def test_each_role_is_refused_what_is_not_its_work(database: Database) -> None:
    got_away = []
    for role, statement in cases(REFUSED):
        with psycopg.connect(database.dsn_as(role)) as conn:
            try:
                conn.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            got_away.append(f"{role}: {statement}")
    assert got_away == []


def test_each_role_may_do_its_work(database: Database) -> None:
    for role, statement in cases(ALLOWED):
        with psycopg.connect(database.dsn_as(role)) as conn:
            conn.execute(statement)
            conn.rollback()


@pytest.mark.parametrize("role", ["msl_grafana", "msl_public"])
def test_readers_write_nothing_and_stop_after_15_s(database: Database, role: str) -> None:
    with psycopg.connect(database.dsn_as(role)) as conn:
        assert conn.execute("SHOW statement_timeout").fetchone() == ("15s",)
        assert conn.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


def test_no_role_has_powers_over_the_server(database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        powers = conn.execute(
            r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'msl\_%'"
            " AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)"
        ).fetchall()
    assert powers == []
