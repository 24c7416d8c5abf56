"""Tallies by hand: sent as events, accepted one by one, kept with what counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from tests.fixtures_stack import Database
from tests.server.registry.conftest import Msl

pytestmark = pytest.mark.db

FROM, TO = datetime(2025, 6, 2, 20, tzinfo=UTC), datetime(2025, 6, 2, 20, 30, tzinfo=UTC)
EVENT = "lamp-01/aaaaaaaa/17"
BODY = {
    "kind": "validation", "line": "gate", "from_t": int(FROM.timestamp() * 1000),
    "to_t": int(TO.timestamp() * 1000), "manual_a_to_b": 30, "manual_b_to_a": 14,
    "counted_a_to_b": 27, "counted_b_to_a": 13, "lux_p50": 6.5, "operator": "ann",
}  # fmt: skip


@pytest.fixture
def owner(msl: Msl, database: Database) -> Iterator[psycopg.Connection]:
    """The database with one node and its event; windows are each test's own."""
    msl("lab", "add", "nord", "--name", "Lab Nord")
    msl("node", "add", "lamp-01", "--lab", "nord", "--created", "2025-01-01T00:00Z")
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO event_raw (t, seq, received_at, origin_id, flags, dur_s, valid_s, node_id,"
            " spool, kind, body) VALUES (%s, 17, now(), 1, 0, 0, 0, 'lamp-01', 'aaaaaaaa',"
            " 'validation', %s)",
            [TO, json.dumps(BODY)],
        )
        yield conn


def _window(owner: psycopg.Connection, seq: int, minute: int, rev: str, geometry: int = 3) -> None:
    owner.execute(
        "WITH o AS (INSERT INTO origin (node_id, spool, boot, rev)"
        " VALUES ('lamp-01', 'aaaaaaaa', repeat('0', 32), %s)"
        " ON CONFLICT (node_id, spool, boot, rev, sens_db) DO UPDATE SET rev = excluded.rev"
        " RETURNING origin_id)"
        " INSERT INTO footfall_raw (t, seq, received_at, origin_id, flags, dur_s, valid_s,"
        " geometry_rev, node_id, spool)"
        " SELECT %s, %s, now(), origin_id, 0, 900, 900, %s, 'lamp-01', 'aaaaaaaa' FROM o",
        [rev, FROM.replace(minute=minute), seq, geometry],
    )


def test_a_tally_counts_once_it_is_accepted_with_what_counted_then(
    msl: Msl, owner: psycopg.Connection
) -> None:
    for seq, minute in ((1, 0), (2, 15)):
        _window(owner, seq, minute, "0.1.0+yolox:e8af0749")
    (waiting,) = json.loads(msl("validation", "pending", "--json").stdout)
    assert (waiting["event"], waiting["lux_band"], waiting["n"]) == (EVENT, "3-10 lx", 44)
    assert waiting["factor"] == pytest.approx(1.1)
    assert waiting["low"] < 1 < waiting["factor"] < waiting["high"]
    assert "added validation 1 of lamp-01 (3-10 lx)" in msl("validation", "accept", EVENT).stdout
    assert msl("validation", "pending").stdout == "nothing pending\n"
    (row,) = json.loads(msl("validation", "list", "--node", "lamp-01", "--json").stdout)
    assert (row["rev"], row["geometry_rev"]) == ("0.1.0+yolox:e8af0749", 3)
    again = msl("validation", "accept", EVENT)
    assert str(again.exception) == f"event {EVENT} was accepted as validation 1"
    assert msl("validation", "revoke", "1").exit_code == 0
    assert msl("validation", "list").stdout == "no validation yet\n"


@pytest.mark.parametrize("second", [("0.1.0+yolox:ffffffff", 3), ("0.1.0+yolox:e8af0749", 4)])
def test_a_tally_over_two_counters_stands_for_neither(
    msl: Msl, owner: psycopg.Connection, second: tuple[str, int]
) -> None:
    _window(owner, 1, 0, "0.1.0+yolox:e8af0749")
    _window(owner, 2, 15, *second)
    refused = msl("validation", "accept", EVENT)
    assert "two counters made the windows" in str(refused.exception)


def test_a_tally_waits_for_the_windows_it_was_held_against(
    msl: Msl, owner: psycopg.Connection
) -> None:
    refused = msl("validation", "accept", EVENT)
    assert "are not here; wait for its spool" in str(refused.exception)
    assert owner.execute("SELECT count(*) FROM validation").fetchone() == (0,)
