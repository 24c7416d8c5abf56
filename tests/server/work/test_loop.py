"""The worker: one at a time, woken by a notification, back after a cut, gone on SIGTERM."""

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from server.db.connect import connect
from server.work.loop import Worker
from server.work.metrics import WorkMetrics
from server.work.tasks import Task
from tests.fixtures_stack import Database
from tests.server.work.raw import insert

pytestmark = pytest.mark.db


@contextmanager
def running(
    database: Database, *tasks: Task, metrics: WorkMetrics | None = None
) -> Iterator[Worker]:
    stop = threading.Event()
    dsn = database.dsn_as("msl_worker")
    worker = Worker(
        lambda: connect(dsn, name="test worker", autocommit=True),
        tasks,
        metrics or WorkMetrics(),
        stop,
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def eventually(true: Callable[[], bool], within_s: float = 60) -> None:
    until_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until_s, "it never came true"
        time.sleep(0.05)


def counting(every_s: float = 3600, on_wake: bool = False) -> tuple[Task, list[float]]:
    runs: list[float] = []

    def run(_: psycopg.Connection) -> int:
        runs.append(time.monotonic())
        return 1

    return Task("counted", every_s, run, on_wake), runs


def test_a_registry_change_wakes_only_who_wants_to_be_woken(
    database: Database, db: psycopg.Connection
) -> None:
    woken, wakes = counting(on_wake=True)
    sleeper, sleeps = counting()
    with running(database, woken, Task("sleeper", 3600, sleeper.run)):
        eventually(lambda: len(wakes) == 1)
        db.execute(
            "INSERT INTO deployment (node_id, site_id, from_t)"
            " VALUES ('lamp-01', 'park', '2025-06-01Z')"
        )
        eventually(lambda: len(wakes) == 2)
    assert len(sleeps) == 1


def test_the_clock_wakes_it(database: Database) -> None:
    task, runs = counting(every_s=0.1)
    with running(database, task):
        eventually(lambda: len(runs) >= 3)


def test_the_second_worker_stands_by_until_the_first_is_gone(database: Database) -> None:
    first, first_runs = counting()
    second, second_runs = counting()
    with running(database, first):
        eventually(lambda: len(first_runs) == 1)
        standby = running(database, second)
        standby.__enter__()
        time.sleep(1)
        assert second_runs == []
    eventually(lambda: len(second_runs) == 1)
    standby.__exit__(None, None, None)


def test_a_cut_connection_is_made_again(database: Database, db: psycopg.Connection) -> None:
    task, runs = counting(every_s=0.1)
    with running(database, task):
        eventually(lambda: len(runs) >= 1)
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'test worker'"
        )
        seen = len(runs)
        eventually(lambda: len(runs) > seen + 1)


def test_a_task_that_fails_is_counted_and_stops_nobody(database: Database) -> None:
    def fail(conn: psycopg.Connection) -> int:
        conn.execute("SELECT 1 / 0")
        return 0

    task, runs = counting(every_s=0.1)
    metrics = WorkMetrics()
    with running(database, Task("broken", 0.1, fail), task, metrics=metrics):
        eventually(lambda: len(runs) >= 2)
    failures = metrics.registry.get_sample_value("msl_work_failures_total", {"task": "broken"})
    assert failures is not None
    assert failures >= 2
    assert metrics.registry.get_sample_value("msl_work_active") == 0


def metrics_of(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def has_kept_an_hour(db: psycopg.Connection, process: "subprocess.Popen[str]") -> bool:
    assert process.poll() is None, process.stdout and process.stdout.read()
    return db.execute("SELECT count(*) FROM light_1h_kept").fetchone() == (1,)


def test_the_command_rolls_up_shows_metrics_and_ends_on_sigterm(
    database: Database, db: psycopg.Connection, tmp_path: Path
) -> None:
    insert(db, "light", "lamp-01", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path / "server.toml"
    settings.write_text(
        f'database_dsn = "{database.dsn_as("msl_worker")}"\nwork_metrics_port = {port}\n'
    )
    with subprocess.Popen(
        [sys.executable, "-m", "server.cli", "work", "--settings", str(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            eventually(lambda: has_kept_an_hour(db, process))
            # The hour is there before the task that kept it has ended and is counted.
            eventually(lambda: 'msl_work_done_total{task="rollup"} 1.0' in metrics_of(port))
            assert "msl_work_active 1.0" in metrics_of(port)
            process.terminate()
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert said.startswith("msl work: TimescaleDB ")
    assert said.endswith("msl work: stopped\n")
