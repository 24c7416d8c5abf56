"""PostgreSQL and Mosquitto together, as children of this process that leave nothing behind."""

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioning.localstack import packages, sandbox
from provisioning.localstack.broker import Broker, BrokerTls
from provisioning.localstack.errors import DataDirInUse, DiskFull, StackError
from provisioning.localstack.locks import lock_within, try_lock
from provisioning.localstack.packages import Origin
from provisioning.localstack.postgres import Postgres
from provisioning.localstack.progress import Say, to_stderr

# A stack whose parent was killed is itself gone within milliseconds; recovery may be writing.
_PREDECESSOR_GONE_S = 5
# A new cluster with its first write-ahead log takes 60 MB; less than this ends in the middle.
_NEEDED_BYTES = 200_000_000
_LOCK = "stack.lock"


class LocalStack:
    """The servers, for as long as the `with` block lasts.

        with LocalStack(Path(".local/demo"), tls=tls, persistent=True) as stack:
            psycopg.connect(stack.postgres.dsn())

    Everything lives in `data_dir`; unless `persistent`, it is emptied first and removed after.
    When this process dies, by whatever signal, the servers die with it, and the next start on the
    same folder recovers. Broker persistence is off unless asked for: no promise rests on it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        tls: BrokerTls | None = None,
        persistent: bool = False,
        postgres_port: int | None = None,
        broker_port: int | None = None,
        broker_persistence: bool = False,
        fsync: bool = True,
        origin: Origin = "auto",
        say: Say = to_stderr,
    ) -> None:
        """Nothing is started yet.

        Args:
            data_dir: Holds clusters, logs and passwords; never shared by two running stacks.
            tls: The broker's certificates; None starts no broker.
            persistent: Keep `data_dir` between runs.
            postgres_port: A port by number; None chooses a free one.
            broker_port: The same for the broker.
            broker_persistence: Let Mosquitto keep its queues over an orderly restart.
            fsync: False is for tests that never cut the power: a SIGKILL loses nothing either way.
            origin: Whose packages: "auto", "host" or "private".
            say: Gets progress, line by line.
        """
        self.data_dir = data_dir.resolve()
        self._tls = tls
        self._persistent = persistent
        self._postgres_port = postgres_port
        self._broker_port = broker_port
        self._broker_persistence = broker_persistence
        self._fsync = fsync
        self._origin: Origin = origin
        self._say = say
        self._lock_fd: int | None = None
        self._postgres: Postgres | None = None
        self._broker: Broker | None = None

    @property
    def postgres(self) -> Postgres:
        """The database server."""
        if self._postgres is None:
            raise StackError("local stack is not started; use it in a with block")
        return self._postgres

    @property
    def broker(self) -> Broker:
        """The broker."""
        if self._broker is None:
            raise StackError("local stack has no broker; start it with tls=BrokerTls(...)")
        return self._broker

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Find or build the packages, start both servers, and return when they serve.

        Raises:
            StackError: one of `provisioning.localstack.errors`; its message says what to try.
        """
        where = packages.locate(self._origin, self._say)
        box = sandbox.find(where, self._say)
        lock_fd = self._take_data_dir()
        self._postgres = Postgres(
            sandbox=box,
            folder=self._folder("postgres"),
            lock_fd=lock_fd,
            wanted_port=self._postgres_port,
            fsync=self._fsync,
        )
        self._postgres.start()
        if self._tls is None:
            return
        self._broker = Broker(
            sandbox=box,
            folder=self._folder("mosquitto"),
            lock_fd=lock_fd,
            tls=self._tls,
            persistence=self._broker_persistence,
            wanted_port=self._broker_port,
        )
        self._broker.start()

    def stop(self) -> None:
        """Stop what runs, the broker first; safe to call twice."""
        if self._broker is not None:
            self._broker.stop()
        if self._postgres is not None:
            if self._persistent:
                self._postgres.stop()
            else:
                self._postgres.kill()  # its data is thrown away; flushing it would only take time
        if self._lock_fd is None:
            return
        if not self._persistent:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        os.close(self._lock_fd)
        self._lock_fd = None

    def _take_data_dir(self) -> int:
        if not self._persistent:
            _refuse_foreign(self.data_dir)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock_fd = lock_within(self.data_dir / _LOCK, _PREDECESSOR_GONE_S)
        if self._lock_fd is None:
            raise DataDirInUse(
                f"another stack runs on {self.data_dir}; stop it, or use another data folder"
            )
        if not self._persistent:
            empty(self.data_dir)
        free_bytes = shutil.disk_usage(self.data_dir).free
        if free_bytes < _NEEDED_BYTES:
            raise DiskFull(
                f"{self.data_dir} has {free_bytes // 10**6} MB free, the stack needs"
                f" {_NEEDED_BYTES // 10**6} MB to start; free some, or use another data folder"
            )
        return self._lock_fd

    def _folder(self, name: str) -> Path:
        folder = self.data_dir / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def _refuse_foreign(data_dir: Path) -> None:
    """Don't empty a folder that no stack has ever used: it may be somebody's."""
    if not data_dir.exists() or (data_dir / _LOCK).exists() or not any(data_dir.iterdir()):
        return
    raise DataDirInUse(
        f"{data_dir} holds files that no stack made and would be emptied;"
        " name a new folder, or persistent=True"
    )


def empty(data_dir: Path) -> None:
    """Remove everything in a data folder but its lock."""
    for path in data_dir.iterdir():
        if path.name == _LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sweep(parent: Path) -> None:
    """Remove the data folders below `parent` that no stack runs on: what killed runs left."""
    for data_dir in parent.glob("*/"):
        lock_fd = try_lock(data_dir / _LOCK)
        if lock_fd is None:
            continue
        shutil.rmtree(data_dir, ignore_errors=True)
        os.close(lock_fd)
