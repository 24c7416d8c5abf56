"""Raw goes when its time is up, sealed first, and never while a mark is left in it."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from server.work.retention import retain
from server.work.rollup import roll_up
from tests.fixtures_stack import Database
from tests.server.work.raw import BASE, insert, mark
from tests.server.work.recomputed import rows

pytestmark = pytest.mark.db

NODE = "lamp-01"
# BASE is 25 October; by December every one of its weekly chunks is older than 14 days.
LATER = datetime(2025, 12, 1, 5, tzinfo=UTC)
KEEP = {"light": 14, "footfall": 14}


def n(conn: psycopg.Connection, table: str) -> int:
    (count,) = conn.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(count)


def test_rolled_up_raw_goes_and_its_hours_stay(
    db: psycopg.Connection, worker: psycopg.Connection
) -> None:
    insert(db, "light", NODE, 0)
    insert(db, "footfall", NODE, 0)
    insert(db, "noise", NODE, 0)
    roll_up(worker)
    before = rows(db, "light_1h"), rows(db, "footfall_line_1h")
    assert retain(worker, KEEP, LATER).chunks_n == 3
    assert [n(db, f"{s}_raw") for s in ("light", "footfall", "footfall_line", "noise")] == [
        0, 0, 0, 1,
    ]  # fmt: skip
    assert (rows(db, "light_1h"), rows(db, "footfall_line_1h")) == before


def test_a_marked_range_is_kept_until_it_is_worked_off(
    db: psycopg.Connection, worker: psycopg.Connection
) -> None:
    insert(db, "light", NODE, 0)
    assert retain(worker, KEEP, LATER).chunks_n == 0
    assert n(db, "light_raw") == 1
    roll_up(worker)
    assert retain(worker, KEEP, LATER).chunks_n == 1
    assert n(db, "light_1h") == 1


def test_the_seal_is_a_whole_day_and_never_moves_back(
    db: psycopg.Connection, worker: psycopg.Connection
) -> None:
    retain(worker, KEEP, LATER)
    retain(worker, {"light": 30}, LATER)
    assert dict(db.execute("SELECT stream, before::text FROM rollup_seal").fetchall()) == {
        "light": "2025-11-17 00:00:00+00",
        "footfall": "2025-11-17 00:00:00+00",
        "noise": "-infinity",
        "health": "-infinity",
        "event": "-infinity",
    }


def test_a_registry_change_leaves_sealed_hours_as_they_are(
    db: psycopg.Connection, worker: psycopg.Connection
) -> None:
    insert(db, "light", NODE, 0)
    roll_up(worker)
    retain(worker, KEEP, LATER)
    db.execute(
        "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, 'park', '2025-06-01Z')",
        [NODE],
    )
    assert n(db, "rollup_mark") == 0
    (hour,) = rows(db, "light_1h")
    assert hour["deployment_id"] is None


def test_a_mark_in_a_sealed_range_is_refused(
    db: psycopg.Connection, worker: psycopg.Connection, database: Database
) -> None:
    insert(db, "light", NODE, 0)
    roll_up(worker)
    retain(worker, KEEP, LATER)
    with (
        psycopg.connect(database.dsn_as("msl_ingest")) as ingest,
        pytest.raises(psycopg.errors.CheckViolation, match="light is sealed before 2025-11-17"),
    ):
        mark(ingest, "light", NODE, BASE)
    assert n(db, "light_1h") == 1


def test_the_seal_waits_for_a_running_insert(
    db: psycopg.Connection, worker: psycopg.Connection, database: Database
) -> None:
    with psycopg.connect(database.dsn_as("msl_ingest")) as ingest:
        ingest.execute("SELECT before FROM rollup_seal WHERE stream = 'light' FOR SHARE")
        worker.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            retain(worker, KEEP, LATER)
        insert(ingest, "light", NODE, 0)
        ingest.commit()
    retain(worker, KEEP, LATER)
    assert n(db, "light_raw") == 1  # its mark is still there


def test_walk_tests_are_kept_a_day(db: psycopg.Connection, worker: psycopg.Connection) -> None:
    for line, hours in (("old", 25), ("new", 23)):
        db.execute(
            "INSERT INTO walk_test (t, received_at, node_id, dur_s, line)"
            " VALUES (%s, %s, %s, 10, %s)",
            [BASE, LATER - timedelta(hours=hours), NODE, line],
        )
    assert retain(worker, {}, LATER).walk_tests_n == 1
    assert db.execute("SELECT line FROM walk_test").fetchall() == [("new",)]


def test_births_and_wills_go_after_400_days_but_for_the_newest(
    db: psycopg.Connection, worker: psycopg.Connection
) -> None:
    for node, days in (("lamp-01", 402), ("lamp-01", 401), ("lamp-02", 401), ("lamp-02", 399)):
        db.execute(
            "INSERT INTO node_status (received_at, node_id, state, boot, rev, spool)"
            " VALUES (%s, %s, 'online', '0', '1', 'aaaaaaaa')",
            [LATER - timedelta(days=days), node],
        )
    retain(worker, {}, LATER)
    kept = db.execute("SELECT node_id, received_at FROM node_status ORDER BY 1").fetchall()
    assert kept == [
        ("lamp-01", LATER - timedelta(days=401)),
        ("lamp-02", LATER - timedelta(days=399)),
    ]


def test_nonces_are_kept_30_days(db: psycopg.Connection, worker: psycopg.Connection) -> None:
    for nonce, days in (("old", 31), ("new", 29)):
        db.execute(
            "INSERT INTO batch_nonce (node_id, stream, nonce, received_at)"
            " VALUES (%s, 'light', %s, %s)",
            [NODE, nonce, LATER - timedelta(days=days)],
        )
    retain(worker, {}, LATER)
    assert db.execute("SELECT nonce FROM batch_nonce").fetchall() == [("new",)]


def test_the_oldest_mark_bounds_what_is_dropped(
    db: psycopg.Connection, worker: psycopg.Connection
) -> None:
    insert(db, "light", NODE, 0)
    insert(db, "light", NODE, 4 * 24 * 14)  # two weeks later, another chunk
    roll_up(worker)
    mark(db, "light", NODE, BASE + timedelta(days=14))
    assert retain(worker, KEEP, LATER).chunks_n == 1
    assert n(db, "light_raw") == 1


@pytest.mark.parametrize(
    ("stream", "view", "value", "measured"),
    [
        ("light", "light", "lux_mean", 50.5),
        ("noise", "noise", "laeq", 50.5),
        ("footfall", "footfall_line", "a_to_b", 50),
    ],
    ids=["light", "noise", "footfall"],
)
def test_a_calibration_revoked_after_the_seal_is_neither_applied_nor_named(
    db: psycopg.Connection,
    worker: psycopg.Connection,
    stream: str,
    view: str,
    value: str,
    measured: float,
) -> None:
    db.execute(
        "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, 'park', '2025-06-01Z')",
        [NODE],
    )
    gain, offset = (1, 2) if stream == "noise" else (2, 0)
    db.execute(
        'INSERT INTO calibration (node_id, quantity, from_t, gain, "offset", reference)'
        " VALUES (%s, %s, '2025-06-01Z', %s, %s, 'test')",
        [NODE, stream, gain, offset],
    )
    insert(db, stream, NODE, 0)
    roll_up(worker)
    retain(worker, {stream: 14}, LATER)
    corrected = gain * measured + offset
    for grain in ("1h", "1d"):
        found = rows(db, f"{view}_{grain}")
        assert [row[value] for row in found] == pytest.approx([corrected] * len(found)), grain
        assert None not in {row["calibration_id"] for row in found}, grain
        assert {row["calibrated"] for row in rows(db, f"dash.{stream}_{grain}")} == {True}
    db.execute("UPDATE calibration SET revoked_at = now()")
    assert n(db, "rollup_mark") == 0
    for grain in ("1h", "1d"):
        found = rows(db, f"{view}_{grain}")
        assert [row[value] for row in found] == pytest.approx([measured] * len(found)), grain
        assert {row["calibration_id"] for row in found} == {None}, grain
        assert {row["calibrated"] for row in rows(db, f"dash.{stream}_{grain}")} == {False}
