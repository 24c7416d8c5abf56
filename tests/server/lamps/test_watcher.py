"""Light that is stored becomes a lamp's state at once; late light and restarts change nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from server.db.connect import connect
from server.lamps.watcher import LampWatcher
from tests.fixtures_stack import Database
from tests.server.lamps.street import FIRST, Street, between, lux_of, minutes

pytestmark = pytest.mark.db
KEPT = timedelta(days=4000)
NIGHTS = 24
# In the night after NIGHTS nights, well after dusk in October in Berlin.
DARK = FIRST + timedelta(days=NIGHTS, hours=8)
NOW = DARK + timedelta(minutes=15)
FAULT = between(DARK, DARK + timedelta(days=30))


def watcher(database: Database) -> LampWatcher:
    return LampWatcher(
        lambda: connect(database.dsn_as("msl_worker"), name="test lamps", autocommit=True),
        threading.Event(),
        kept=KEPT,
        now=lambda: NOW,
    )


@contextmanager
def watching(database: Database) -> Iterator[None]:
    stop = threading.Event()
    dsn = database.dsn_as("msl_worker")
    one = LampWatcher(
        lambda: connect(dsn, name="test lamps", autocommit=True),
        stop,
        kept=KEPT,
        now=lambda: NOW,
    )
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def eventually(true: Callable[[], bool], within_s: float = 90) -> float:
    began_s = time.monotonic()
    while not true():
        assert time.monotonic() - began_s < within_s, "it never came true"
        time.sleep(0.02)
    return time.monotonic() - began_s


def state(conn: psycopg.Connection, node: str = "lamp-1") -> Any:
    row = conn.execute("SELECT state FROM lamp_state WHERE node_id = %s", [node]).fetchone()
    return None if row is None else row[0]


def episodes(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT episode_id, node_id, kind, from_t, to_t FROM lamp_episode"
        " WHERE retracted_at IS NULL ORDER BY episode_id"
    ).fetchall()


@pytest.fixture
def lit(street: Street) -> Street:
    """A lamp that has burned each night, and burns now."""
    street.site()
    street.lamp("lamp-1")
    t_s = minutes(FIRST, DARK)
    street.light("lamp-1", t_s, lux_of(t_s))
    return street


def go_out(street: Street, begin: datetime, end: datetime) -> None:
    t_s = minutes(begin, end)
    street.light("lamp-1", t_s, lux_of(t_s, FAULT))


def test_a_record_changes_the_lamps_state_within_seconds_of_being_stored(
    database: Database, lit: Street
) -> None:
    """The benchmark measures the second; here it must come by itself, long before the clock."""
    with watching(database):
        eventually(lambda: state(lit.conn) == "lit")
        go_out(lit, DARK, DARK + timedelta(minutes=15))
        lit.conn.execute('SELECT pg_notify(\'ingested\', \'{"streams":["light"],"nodes":null}\')')
        took_s = eventually(lambda: state(lit.conn) == "out")
        assert took_s < 25  # the clock alone would need 30
        eventually(lambda: [row[2] for row in episodes(lit.conn)] == ["lampFailure"])


def test_marks_are_taken_away_once_their_light_is_told(
    database: Database, lit: Street, worker: psycopg.Connection
) -> None:
    watcher(database).look(worker)
    assert worker.execute("SELECT count(*) FROM lamp_mark").fetchone() == (0,)
    assert worker.execute("SELECT count(*) > 20 FROM lamp_night").fetchone() == (True,)


def test_light_in_pieces_late_and_over_restarts_gives_the_episodes_of_all_at_once(
    database: Database, lit: Street, worker: psycopg.Connection
) -> None:
    one = watcher(database)
    one.look(worker)
    begin, late = DARK, DARK + timedelta(hours=1)
    go_out(lit, late, DARK + timedelta(hours=5))  # an hour is missing
    one.look(worker)
    first = episodes(worker)
    assert [row[:3] for row in first] == [(1, "lamp-1", "lampFailure")]
    go_out(lit, begin, late)  # and comes after all
    one.look(worker)
    assert [row[:3] for row in episodes(worker)] == [row[:3] for row in first]
    # Another worker begins anew.
    watcher(database).look(worker)
    assert [row[:3] for row in episodes(worker)] == [row[:3] for row in first]
    ((_, _, _, from_t, to_t),) = episodes(worker)
    assert abs(from_t - DARK) <= timedelta(minutes=2)
    assert to_t is None


def test_a_new_lamp_row_is_looked_at_without_new_light(
    database: Database, lit: Street, worker: psycopg.Connection
) -> None:
    one = watcher(database)
    one.look(worker)
    lit.conn.execute("UPDATE lamp SET revoked_at = now()")
    lit.conn.execute(
        "INSERT INTO lamp (node_id, from_t, commissioned_lx) VALUES ('lamp-1', %s, 20)", [FIRST]
    )
    one.look(worker)
    assert [row[2] for row in episodes(worker)] == ["levelTooLow"]


def test_a_node_without_a_lamp_is_none(
    database: Database, street: Street, worker: psycopg.Connection
) -> None:
    street.site()
    street.lamp("lamp-1")
    street.conn.execute("UPDATE lamp SET revoked_at = now()")
    street.light("lamp-1", minutes(FIRST, FIRST + timedelta(hours=2)), [1.0] * 120)
    watcher(database).look(worker)
    assert worker.execute("SELECT count(*) FROM lamp_mark").fetchone() == (0,)
    assert state(worker) is None
