"""Ingest, worker and registry at the same moment: no mark may be lost, whoever commits first."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from server.work.rollup import roll_up
from tests.fixtures_stack import Database
from tests.server.work.raw import insert
from tests.server.work.recomputed import assert_views_are_recomputed

pytestmark = pytest.mark.db

NODE = "lamp-01"


@pytest.fixture
def ingest(database: Database) -> Iterator[psycopg.Connection]:
    """A session of the ingester; every statement opens a transaction."""
    with psycopg.connect(database.dsn_as("msl_ingest")) as conn:
        yield conn


@contextmanager
def background(work: Callable[[], object]) -> Iterator[None]:
    """Run `work` beside the block, and end the block when it has ended; its error is ours."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        yield
        running.result(120)


def wait_until_blocked(db: psycopg.Connection, role: str) -> None:
    for _ in range(1200):
        waiting = db.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'",
            [role],
        ).fetchone()
        if waiting != (0,):
            return
        time.sleep(0.05)
    raise AssertionError(f"{role} never waited for a lock")


def marks_n(db: psycopg.Connection) -> int:
    (n,) = db.execute("SELECT count(*) FROM rollup_mark").fetchone() or (0,)
    return int(n)


def test_the_worker_runs_while_an_ingest_transaction_is_open(
    db: psycopg.Connection, worker: psycopg.Connection, ingest: psycopg.Connection
) -> None:
    insert(db, "light", NODE, 0)
    insert(ingest, "light", NODE, 1)
    assert roll_up(worker) == 1
    assert_views_are_recomputed(db)
    ingest.commit()
    assert marks_n(db) == 1
    assert_views_are_recomputed(db)
    assert roll_up(worker) == 1
    assert marks_n(db) == 0
    assert_views_are_recomputed(db)


def test_ingest_commits_while_the_worker_is_between_snapshot_and_commit(
    db: psycopg.Connection,
    worker: psycopg.Connection,
    ingest: psycopg.Connection,
    database: Database,
) -> None:
    rolled: list[int] = []
    insert(db, "light", NODE, 0)
    with psycopg.connect(database.dsn) as blocker:
        blocker.execute("LOCK TABLE light_1h_kept IN SHARE MODE")
        # It does one batch, is stopped after its snapshot, then finds the new mark and goes on.
        with background(lambda: rolled.append(roll_up(worker))):
            wait_until_blocked(db, "msl_worker")
            insert(ingest, "light", NODE, 1)
            ingest.commit()
            assert_views_are_recomputed(db)
            blocker.rollback()
    assert rolled == [2]
    assert marks_n(db) == 0
    assert_views_are_recomputed(db)


def test_a_registry_change_and_data_it_did_not_see(
    db: psycopg.Connection,
    worker: psycopg.Connection,
    ingest: psycopg.Connection,
    database: Database,
) -> None:
    """The change looks for hours that hold data before the data is there; the worker waits."""
    with psycopg.connect(database.dsn_as("msl_api")) as api:
        api.execute(
            "INSERT INTO calibration (node_id, quantity, from_t, gain, reference)"
            " VALUES (%s, 'light', '2025-01-01', 2, 'test')",
            [NODE],
        )
        insert(ingest, "light", NODE, 0)
        ingest.commit()
        with background(lambda: roll_up(worker)):
            wait_until_blocked(db, "msl_worker")
            api.commit()
    assert marks_n(db) == 0
    assert_views_are_recomputed(db)
    assert db.execute("SELECT lux_mean FROM light_1h").fetchone() == (101.0,)


def test_a_registry_change_waits_for_the_worker_and_sees_what_it_kept(
    db: psycopg.Connection, worker: psycopg.Connection, database: Database
) -> None:
    insert(db, "noise", NODE, 0)

    def calibrate() -> None:
        with psycopg.connect(database.dsn_as("msl_api")) as api:
            api.execute(
                'INSERT INTO calibration (node_id, quantity, from_t, "offset", reference)'
                " VALUES (%s, 'noise', '2025-01-01', 2, 'test')",
                [NODE],
            )

    worker.execute("SELECT pg_advisory_lock(rollup_lock_key())")  # as if amid a batch
    with background(calibrate):
        wait_until_blocked(db, "msl_api")
        roll_up(worker)
        worker.execute("SELECT pg_advisory_unlock(rollup_lock_key())")
    assert marks_n(db) == 1
    assert_views_are_recomputed(db)
    roll_up(worker)
    assert_views_are_recomputed(db)


def test_a_registry_change_in_a_stale_snapshot_is_refused(database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.errors.RaiseException, match="need read committed"):
            conn.execute("SELECT mark_hours(NULL, ARRAY['light'], now(), NULL)")


def test_two_ingesters_and_the_worker_at_full_tilt(
    db: psycopg.Connection, worker: psycopg.Connection, database: Database
) -> None:
    stop = threading.Event()

    def ingest_until_done(seed: int) -> None:
        rng = random.Random(seed)
        with psycopg.connect(database.dsn_as("msl_ingest")) as conn:
            for n in range(150):
                for _ in range(rng.randint(1, 3)):
                    stream = rng.choice(["light", "footfall"])
                    insert(conn, stream, NODE, rng.randint(0, 11), seq=seed * 1000 + n)
                time.sleep(rng.random() / 200)
                conn.commit()

    def work_until_stopped() -> None:
        while not stop.is_set():
            roll_up(worker, batch_hours=5)

    with background(work_until_stopped):
        try:
            with background(lambda: ingest_until_done(1)), background(lambda: ingest_until_done(2)):
                for _ in range(10):
                    with db.transaction():  # one snapshot for views and raw
                        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                        assert_views_are_recomputed(db)
        finally:
            stop.set()
    roll_up(worker)
    assert marks_n(db) == 0
    assert_views_are_recomputed(db)
