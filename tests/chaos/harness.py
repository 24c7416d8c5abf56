"""Real processes around one database and one broker, to be killed; and the account at the end."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import msgspec
import psycopg

from contract.streams import Stream
from provisioning.localstack import Broker
from provisioning.localstack.ports import free_port
from server.identity.ca import CredentialFiles
from tests.chaos.node_process import MAKING, Job, t_of
from tests.fixtures_stack import Database

ROOT = Path(__file__).parents[2]
DAY_MS = 86_400_000
Issue = Callable[[str], CredentialFiles]


class Killable(Protocol):
    """A process of ours, the broker, or the database server."""

    def kill(self) -> None:
        """SIGKILL."""

    def start(self) -> None:
        """Start it, again."""


class Process:
    """A child that is started, killed and started again."""

    def __init__(self, argv: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self._argv = argv
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None and self._child.poll() is None:
            self.kill()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._argv, cwd=ROOT, env=self._env, stdout=log, stderr=log
            )

    @property
    def child(self) -> subprocess.Popen[bytes]:
        assert self._child is not None
        return self._child

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        self.child.wait(10)

    def terminate(self, timeout_s: float = 15) -> int:
        """SIGTERM; the exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        """Its exit code."""
        try:
            return self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s:\n{self.log}") from None

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    @property
    def log(self) -> str:
        """What it said, the last of it."""
        return self._log.read_text(errors="replace")[-4000:]


class Ingester(Process):
    """`msl ingest`, with its metrics."""

    def __init__(self, argv: list[str], log: Path, env: dict[str, str]) -> None:
        super().__init__(argv, log, env)
        self._metrics = f"http://127.0.0.1:{env['MSL_INGEST_METRICS_PORT']}/metrics"

    def wait_connected(self, timeout_s: float = 15) -> None:
        """Until it has a connection to the broker."""
        wait_for(lambda: self.metric("msl_ingest_broker_connected") == 1, timeout_s)

    def metric(self, sample: str) -> float:
        """One sample, such as `name_total{label="x"}`; 0 where there is none."""
        try:
            with urllib.request.urlopen(self._metrics, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        for line in text.splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rpartition(" ")[2])
        return 0.0


@dataclass
class Town:
    """One node's way to one database, in real processes."""

    broker: Broker
    database: Database
    issue: Issue
    folder: Path
    node_id: str = "lamp-01"
    start_ms: int = field(default_factory=lambda: _midnight_ms() - 30 * DAY_MS)

    def __post_init__(self) -> None:
        with self.sql() as conn:
            conn.execute("INSERT INTO lab (lab_id, name) VALUES ('testlab', 'Test')")
            self.register(self.node_id)

    def register(self, node_id: str) -> None:
        with self.sql() as conn:
            conn.execute(
                "INSERT INTO node (node_id, lab_id, created_at)"
                " SELECT %s, lab_id, '2020-01-01Z' FROM lab",
                (node_id,),
            )

    @contextmanager
    def sql(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.database.dsn, autocommit=True) as conn:
            yield conn

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.sql() as conn:
            return conn.execute(sql, values).fetchall()

    def ingester(self, name: str = "srv-ingest", *args: str, **settings: str) -> Ingester:
        """`msl ingest`, with small batches, so that there are many to be killed in."""
        files = self.issue(name)
        env = {
            "MSL_DATABASE_DSN": self.database.dsn_as("msl_ingest"),
            "MSL_BROKER_HOST": "127.0.0.1",
            "MSL_BROKER_PORT": str(self.broker.port),
            "MSL_BROKER_CA_FILE": str(self.broker.ca_file),
            "MSL_BROKER_CERT_FILE": str(files.certificate),
            "MSL_BROKER_KEY_FILE": str(files.key),
            "MSL_INGEST_METRICS_PORT": str(free_port()),
            "MSL_INGEST_BATCH_ROWS": "200",
            "MSL_INGEST_RECEIVE_MAXIMUM": "200",
            **settings,
        }
        argv = [sys.executable, "-m", "server.cli", "ingest", *args]
        return Ingester(argv, self.folder / f"{name}.log", env)

    def job(self, **changed: Any) -> Job:
        files = self.issue(self.node_id)
        values: dict[str, Any] = {
            "spool": str(self.folder / "spool.db"),
            "node_id": self.node_id,
            "port": self.broker.port,
            "ca_file": str(self.broker.ca_file),
            "cert_file": str(files.certificate),
            "key_file": str(files.key),
            "start_ms": self.start_ms,
        }
        return Job(**(values | changed))

    def node(self, job: Job) -> Process:
        """A node's process; it ends with 0 when everything it spooled is acknowledged."""
        argv = [sys.executable, "-m", "tests.chaos.node_process"]
        return Process([*argv, msgspec.json.encode(job).decode()], self.folder / "node.log")

    def spooled(self, job: Job) -> dict[Stream, int]:
        """How many records of each stream were ever committed to the spool."""
        path = Path(job.spool)
        if not path.exists():
            return dict.fromkeys(Stream, 0)
        with contextlib.closing(sqlite3.connect(path)) as conn:
            try:
                found = dict(conn.execute("SELECT stream, next_seq - 1 FROM stream").fetchall())
            except sqlite3.OperationalError:  # just being born
                found = {}
        return {stream: found.get(stream.value, 0) for stream in Stream}

    def wait_spooled(self, job: Job, share: float, timeout_s: float = 30) -> None:
        """Until `share` of the job's records stand in the spool."""
        wanted = int(job.records * share)

        def reached() -> bool:
            return min(self.spooled(job)[stream] for stream in MAKING) >= wanted

        wait_for(reached, timeout_s)

    def spool_id(self, job: Job) -> str:
        with contextlib.closing(sqlite3.connect(job.spool)) as conn:
            ((spool,),) = conn.execute("SELECT value FROM meta WHERE key = 'spool'").fetchall()
        assert isinstance(spool, str)
        return spool

    def assert_settled(self, job: Job, lost: dict[Stream, set[int]] | None = None) -> int:
        """Everything spooled is stored once, or declared lost where `lost` says so.

        Returns:
            How many records are stored.
        """
        spool, total = self.spool_id(job), 0
        for stream, made_n in self.spooled(job).items():
            gone = (lost or {}).get(stream, set())
            stored = self.rows(
                f"SELECT seq, (extract(epoch FROM t) * 1000)::bigint FROM {stream}_raw"
                " WHERE (node_id, spool) = (%s, %s) ORDER BY seq",
                self.node_id,
                spool,
            )
            wanted = [seq for seq in range(1, made_n + 1) if seq not in gone]
            assert [seq for seq, _ in stored] == wanted, stream
            if stream is not Stream.EVENT:
                assert [t for _, t in stored] == [t_of(job, stream, seq) for seq in wanted]
            self._assert_ledger(spool, stream, made_n, gone)
            total += len(stored)
        assert self.rows("SELECT * FROM ledger_gap WHERE spool = %s", spool) == []
        return total

    def _assert_ledger(self, spool: str, stream: Stream, made_n: int, gone: set[int]) -> None:
        ((complete_to, lost),) = self.rows(
            "SELECT complete_to(ledger), lost FROM ledger WHERE (spool, stream) = (%s, %s)",
            spool,
            stream.value,
        )
        assert complete_to == made_n, stream
        assert {s for r in lost for s in range(r.lower, r.upper)} == gone, stream


def wait_for(true: Callable[[], bool], timeout_s: float = 30) -> None:
    """Until `true()`; not seeing it in time fails the test."""
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.05)


def _midnight_ms() -> int:
    return int(time.time() * 1000) // DAY_MS * DAY_MS
