"""Held records that a clock correction makes believable become raw, ledger and marks included."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from server.registry.change import changing
from server.registry.corrections import correct_clock, held_boots
from server.registry.entries import ClockCorrection
from server.registry.errors import RegistryError
from server.work.release import release_corrected
from server.work.rollup import roll_up
from tests.fixtures_stack import Database
from tests.server.work.raw import BASE
from tests.server.work.recomputed import assert_views_are_recomputed, rows

pytestmark = pytest.mark.db

NODE, SPOOL, BOOT = "lamp-01", "aaaaaaaa", "0" * 32
UNSYNCED = 1 << 7
HOUR_MS = 3_600_000
CORRECTION = ClockCorrection(
    node_id=NODE, spool=SPOOL, boot=BOOT, offset_ms=2 * HOUR_MS, reason="seen on site"
)


def hold(conn: psycopg.Connection, seq: int, *, boot: str = BOOT, reason: str = "ahead") -> None:
    """A light and a footfall record, said to be at BASE, received two hours later."""
    conn.execute(
        "INSERT INTO origin (node_id, spool, boot, rev) VALUES (%s, %s, %s, '1')"
        " ON CONFLICT DO NOTHING",
        [NODE, SPOOL, boot],
    )
    (origin,) = conn.execute("SELECT origin_id FROM origin WHERE boot = %s", [boot]).fetchone() or (
        0,
    )
    common = [BASE, seq, BASE + timedelta(hours=2), origin, UNSYNCED | 1, NODE, SPOOL, reason]
    conn.execute(
        "INSERT INTO held_light (t, seq, received_at, origin_id, flags, node_id, spool, reason,"
        " dur_s, valid_s, lux_p50, samples_n, sensor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 60, 60, 12.5, 10, 'opt3001')",
        common,
    )
    conn.execute(
        "INSERT INTO held_footfall (t, seq, received_at, origin_id, flags, node_id, spool, reason,"
        " dur_s, valid_s, geometry_rev) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 900, 900, 1)",
        common,
    )
    conn.execute(
        "INSERT INTO held_footfall_line (t, seq, a_to_b, b_to_a, node_id, spool, line, reason)"
        " VALUES (%s, %s, 3, 4, %s, %s, 'door', %s)",
        [BASE, seq, NODE, SPOOL, reason],
    )
    for stream in ("light", "footfall"):
        conn.execute(
            "INSERT INTO ledger AS l (node_id, spool, stream, held) VALUES (%s, %s, %s,"
            " int8multirange(int8range(%s, %s))) ON CONFLICT (node_id, spool, stream)"
            " DO UPDATE SET held = l.held + excluded.held",
            [NODE, SPOOL, stream, seq, seq + 1],
        )


@pytest.fixture
def api(database: Database) -> Iterator[psycopg.Connection]:
    """The API role's own connection, in autocommit mode."""
    with psycopg.connect(database.dsn_as("msl_api"), autocommit=True) as conn:
        yield conn


def test_a_correction_stores_what_was_held(
    db: psycopg.Connection, api: psycopg.Connection, worker: psycopg.Connection
) -> None:
    for seq in (1, 2, 3):
        hold(db, seq)
    hold(db, 4, boot="1" * 32)
    with changing(api, "ann"):
        done = correct_clock(api, CORRECTION)
    assert (done.released_n, done.still_held_n) == (6, 0)
    stored = rows(db, "light_raw")
    assert {(r["t"], r["flags"], r["lux_p50"]) for r in stored} == {
        (BASE + timedelta(hours=2), 1, 12.5)  # CLOCK_UNSYNCED is gone, PARTIAL is not
    }
    assert sorted(r["seq"] for r in stored) == [1, 2, 3]
    assert {(r["t"], r["a_to_b"]) for r in rows(db, "footfall_line_raw")} == {
        (BASE + timedelta(hours=2), 3)
    }
    ledger = db.execute("SELECT stream, stored::text, held::text FROM ledger").fetchall()
    assert sorted(ledger) == [
        ("footfall", "{[1,4)}", "{[4,5)}"),
        ("light", "{[1,4)}", "{[4,5)}"),
    ]
    assert_views_are_recomputed(db)
    assert roll_up(worker) == 2
    assert_views_are_recomputed(db)
    (left,) = {boot["boot"] for boot in held_boots(api)}
    assert left == "1" * 32


def test_records_that_come_in_later_follow_by_themselves(
    db: psycopg.Connection, api: psycopg.Connection, worker: psycopg.Connection
) -> None:
    hold(db, 1)
    with changing(api, "ann"):
        correct_clock(api, CORRECTION)
    hold(db, 2)
    assert release_corrected(worker) == 2
    assert release_corrected(worker) == 0
    assert sorted(r["seq"] for r in rows(db, "light_raw")) == [1, 2]


@pytest.mark.parametrize(
    "offset_ms",
    [24 * 365 * 50 * HOUR_MS, -24 * 365 * HOUR_MS],
    ids=["ahead of now", "before creation"],
)
def test_an_offset_that_releases_nothing_is_refused(
    db: psycopg.Connection, api: psycopg.Connection, offset_ms: int
) -> None:
    hold(db, 1)
    wrong = ClockCorrection(
        node_id=NODE, spool=SPOOL, boot=BOOT, offset_ms=offset_ms, reason="a guess"
    )
    with (
        pytest.raises(RegistryError, match="2 records of lamp-01 would stay held"),
        changing(api, "ann"),
    ):
        correct_clock(api, wrong)
    assert rows(db, "clock_correction") == []
    assert len(rows(db, "held_light")) == 1


def test_a_record_held_by_the_servers_own_slow_clock_is_released_as_it_is(
    db: psycopg.Connection, api: psycopg.Connection
) -> None:
    hold(db, 1)
    for stream in ("light", "footfall"):
        db.execute(f"UPDATE held_{stream} SET received_at = %s", [BASE - timedelta(hours=1)])
    right = ClockCorrection(
        node_id=NODE, spool=SPOOL, boot=BOOT, offset_ms=0, reason="the server's clock was slow"
    )
    with changing(api, "ann"):
        done = correct_clock(api, right)
    assert (done.released_n, done.still_held_n) == (2, 0)
    assert [row["t"] for row in rows(db, "light_raw")] == [BASE]


def test_sealed_hours_take_nothing_in(
    db: psycopg.Connection, api: psycopg.Connection, worker: psycopg.Connection
) -> None:
    hold(db, 1)
    db.execute("UPDATE rollup_seal SET before = %s WHERE stream = 'light'", [BASE + timedelta(1)])
    with changing(api, "ann"):
        done = correct_clock(api, CORRECTION)
    assert (done.released_n, done.still_held_n) == (1, 1)
    assert rows(db, "light_raw") == []
