"""What the page asks of the database at every refresh walks indexes, however much raw there is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from contract.streams import Stream
from server.api import fleet_sql
from server.api.coverage import VALID_TODAY
from server.api.series_models import Grain
from server.api.series_sql import source
from tests.fixtures_stack import Database

pytestmark = pytest.mark.db

NODES, HOURS = 20, 30


@pytest.fixture(scope="module")
def filled(lasting_database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Light and health of 20 nodes over 30 hours, a record a minute."""
    with psycopg.connect(lasting_database.dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO lab VALUES ('lab', 'Lab')")
        conn.execute(
            "INSERT INTO node (node_id, lab_id) SELECT 'lamp-' || n, 'lab'"
            " FROM generate_series(1, %s) AS n",
            [NODES],
        )
        for stream, columns, values in (
            ("light", "samples_n, sensor", "1, 'x'"),
            ("health", "uptime_s, sensors", "1, '[]'"),
        ):
            conn.execute(
                f"INSERT INTO {stream}_raw (t, seq, received_at, origin_id, flags, dur_s, valid_s,"
                f" node_id, spool, {columns}) SELECT now() - make_interval(mins => m), m, now(), 1,"
                f" 0, 60, 60, 'lamp-' || n, 'abcdefgh', {values}"
                " FROM generate_series(1, %s) AS n, generate_series(1, %s) AS m",
                [NODES, HOURS * 60],
            )
        conn.execute("ANALYZE light_raw, health_raw")
        yield conn


def plan(conn: psycopg.Connection[Any], query: str, keys: dict[str, Any]) -> list[dict[str, Any]]:
    """All nodes of the executed plan, flat."""
    row = conn.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", keys).fetchone()
    assert row is not None

    def flat(node: dict[str, Any]) -> list[dict[str, Any]]:
        return [node, *(inner for child in node.get("Plans", []) for inner in flat(child))]

    return flat(row[0][0]["Plan"])


def rows_read(nodes: list[dict[str, Any]]) -> Any:
    """Rows that scans of raw chunks gave or threw away."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if "_hyper_" in node.get("Relation Name", "")
    )


@pytest.mark.parametrize("stream", [Stream.LIGHT, Stream.HEALTH])
def test_the_latest_record_of_each_node_is_one_row(
    filled: psycopg.Connection[Any], stream: Stream
) -> None:
    keys = {
        "node_ids": [f"lamp-{n}" for n in range(1, NODES + 1)],
        "since": datetime.now(UTC) - timedelta(days=7),
    }
    nodes = plan(filled, fleet_sql.latest(stream), keys)
    assert not [n for n in nodes if n["Node Type"] == "Seq Scan" and "Relation Name" in n]
    assert NODES <= rows_read(nodes) <= 2 * NODES


def test_a_page_of_a_series_reads_a_page(filled: psycopg.Connection[Any]) -> None:
    now, limit = datetime.now(UTC), 10
    keys = {"node_id": "lamp-7", "from_t": now - timedelta(days=1), "to_t": now, "limit": limit}
    nodes = plan(filled, source(Stream.LIGHT, Grain.RAW).query, keys)
    assert rows_read(nodes) <= limit + 2


def test_coverage_of_today_reads_marked_hours_and_the_first_record(
    filled: psycopg.Connection[Any],
) -> None:
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    midnight = now - timedelta(hours=12)
    with filled.transaction(force_rollback=True):
        filled.execute(
            "INSERT INTO rollup_mark (node_id, stream, hour) VALUES ('lamp-7', 'light', %s)", [hour]
        )
        keys = {
            "node_ids": ["lamp-7"], "days": [midnight.date()], "midnights": [midnight],
            "since": now - timedelta(hours=26), "stream": "light",
        }  # fmt: skip
        nodes = plan(filled, VALID_TODAY.format(stream="light"), keys)
    assert rows_read(nodes) <= 60 + 2
