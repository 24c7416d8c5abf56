"""The worker's loop: one process at a time, woken by a notification or the clock.

One connection holds the lock, listens and works, so that a worker that lost its connection has
lost its turn too.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

import psycopg

from server.work.metrics import WorkMetrics
from server.work.tasks import Task

CHANNEL = "msl_work"
# Any number that nothing else in this database locks.
LOCK_KEY = 7_301_201_468
_STANDBY_S = 5.0
_RECONNECT_S = (1.0, 2.0, 5.0, 10.0)
# Wakes that come thick are answered once.
_MIN_PAUSE_S = 1.0
# How late a stop may be noticed while waiting.
_SLICE_S = 0.5

log = logging.getLogger("msl.work")


class Worker:
    """Runs tasks until `stop` is set."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        tasks: Sequence[Task],
        metrics: WorkMetrics,
        stop: threading.Event,
    ) -> None:
        """`connect` gives a new connection in autocommit mode."""
        self._connect = connect
        self._tasks = tasks
        self._metrics = metrics
        self._stop = stop
        self._due_s = dict.fromkeys((task.name for task in tasks), 0.0)

    def run(self) -> None:
        """Work until stopped; reconnect with growing pauses when the database goes away."""
        failed_n = 0
        while not self._stop.is_set():
            try:
                with self._connect() as conn:
                    failed_n = 0
                    self._take_turn(conn)
            except psycopg.OperationalError as error:
                pause_s = _RECONNECT_S[min(failed_n, len(_RECONNECT_S) - 1)]
                failed_n += 1
                log.warning("database: %s; trying again in %.0f s", str(error).strip(), pause_s)
                self._stop.wait(pause_s)
            finally:
                self._metrics.active.set(0)

    def _take_turn(self, conn: psycopg.Connection) -> None:
        """Wait for the lock, then work until stopped or the connection breaks."""
        said = False
        while not _try_lock(conn):
            if not said:
                log.info("another worker is at work; standing by")
                said = True
            if self._stop.wait(_STANDBY_S):
                return
        self._metrics.active.set(1)
        log.info("at work: %s", ", ".join(task.name for task in self._tasks))
        conn.execute(f"LISTEN {CHANNEL}")
        while not self._stop.is_set():
            self._run_due(conn)
            if self._wait(conn):
                now_s = time.monotonic()
                for task in self._tasks:
                    if task.on_wake:
                        self._due_s[task.name] = now_s

    def _run_due(self, conn: psycopg.Connection) -> None:
        for task in self._tasks:
            if self._stop.is_set():
                return
            now_s = time.monotonic()
            if self._due_s[task.name] <= now_s:
                self._due_s[task.name] = now_s + task.every_s
                self._run_one(conn, task)

    def _run_one(self, conn: psycopg.Connection, task: Task) -> None:
        """Run a task; what it raises is logged and counted, and doesn't stop the others."""
        began_s = time.monotonic()
        try:
            done_n = task.run(conn)
        except Exception as error:
            self._metrics.failures.labels(task.name).inc()
            if conn.closed or conn.broken:
                raise
            if isinstance(error, psycopg.errors.LockNotAvailable):
                log.warning("%s: %s; next time", task.name, str(error).strip())
            else:
                log.exception("%s failed", task.name)
            return
        took_s = time.monotonic() - began_s
        self._metrics.done.labels(task.name).inc(done_n)
        self._metrics.last_success.labels(task.name).set_to_current_time()
        self._metrics.duration_s.labels(task.name).set(took_s)
        if done_n:
            log.info("%s: %d in %.2f s", task.name, done_n, took_s)

    def _wait(self, conn: psycopg.Connection) -> bool:
        """Wait until a task is due (False) or somebody wakes us (True)."""
        if self._stop.wait(_MIN_PAUSE_S):
            return False
        until_s = min(self._due_s.values())
        while not self._stop.is_set():
            left_s = min(until_s - time.monotonic(), _SLICE_S)
            if left_s <= 0:
                return False
            # `stop_after` ends the wait at once, and what came with it is drained.
            if any(True for _ in conn.notifies(timeout=left_s, stop_after=1)):
                return True
        return False


def _try_lock(conn: psycopg.Connection) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
    return row is not None and bool(row[0])
