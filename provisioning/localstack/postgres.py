"""The stack's PostgreSQL with TimescaleDB: started, killed, recovered, dumped, restored."""

import os
import secrets
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from provisioning.localstack import ports
from provisioning.localstack.child import Child
from provisioning.localstack.errors import DiskFull, ServerDied
from provisioning.localstack.sandbox import Sandbox

_USER = "postgres"
# A crash leaves at most max_wal_size to replay; that took 9 s at worst on two slow cores.
_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20

# Sized for a laptop that also runs the rest. What is not named here is PostgreSQL's own default,
# so that what is tested is what runs.
_SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
max_connections = 100
shared_buffers = 256MB
max_wal_size = 1GB
fsync = {fsync}
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
# One scheduler per database that has the extension; a test run keeps several.
max_worker_processes = 32
timescaledb.max_background_workers = 24
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
lc_messages = 'C.UTF-8'
"""

# A password even on loopback: every local user reaches it, and a superuser of PostgreSQL can run
# programs as whoever runs the stack.
_HBA = "host all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(kw_only=True)
class Postgres:
    """A cluster under `folder`, owned by the stack. `port` None means: choose a free one."""

    sandbox: Sandbox
    folder: Path
    lock_fd: int
    wanted_port: int | None = None
    fsync: bool = True
    port: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._child = Child(
            name="postgres",
            sandbox=self.sandbox,
            user=_USER,
            folder=self.folder,
            log=self.folder.parent / "postgres.log",
            lock_fd=self.lock_fd,
        )

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._child.running

    @property
    def pid(self) -> int:
        """Process id of the postmaster as the host sees it."""
        return self._child.pid

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self._child.log

    def dsn(self, user: str = _USER, dbname: str = "postgres") -> str:
        """Connection URI on loopback. Roles other than `postgres` need `allow_login` first."""
        return f"postgresql://{user}:{self._password()}@{ports.LOOPBACK}:{self.port}/{dbname}"

    def start(self) -> None:
        """Start the server, making the cluster first when there is none, and wait until it serves.

        After `kill()` it recovers from its log first. The port stays the same over restarts.

        Raises:
            PortTaken, DiskFull, ServerDied: with the last lines of the server's log.
        """
        if not (self._data / "PG_VERSION").exists():
            self._init_cluster()
        if self.port == 0:
            self.port = self.wanted_port or ports.free_port()
        ports.require_free(self.port, for_what="postgres")
        settings = _SETTINGS.format(port=self.port, fsync="on" if self.fsync else "off")
        (self._data / "postgresql.conf").write_text(settings)
        (self._data / "pg_hba.conf").write_text(_HBA)
        # We hold the folder's lock, so whoever wrote this is gone; its "ready" is not ours.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.sandbox.own(self.folder, user=_USER)
        self._child.start([self._program("postgres"), "-D", self._data])
        self._child.wait_ready(self._says_ready, timeout_s=_READY_TIMEOUT_S)

    def stop(self) -> None:
        """Shut down in order: sessions are cut, everything is on disk."""
        self._child.stop(signal.SIGINT, timeout_s=_STOP_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL every process of the server at once, as a power cut of it alone would."""
        self._child.kill()

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database, empty or as a copy of `template`, and return its DSN."""
        self._admin(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
        )
        return self.dsn(dbname=name)

    def make_template(self, name: str) -> None:
        """Let a database serve as template only, with no session ever in it.

        TimescaleDB keeps a scheduler in every database that takes connections, and one session is
        enough to make `CREATE DATABASE ... TEMPLATE` fail.
        """
        self._admin(
            sql.SQL("ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false").format(
                sql.Identifier(name)
            )
        )
        self._admin(
            sql.SQL(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}"
            ).format(sql.Literal(name))
        )

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, cutting its sessions."""
        self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def allow_login(self, *roles: str) -> None:
        """Let existing roles log in with the stack's own password, so that `dsn(role)` works."""
        for role in roles:
            self._admin(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(self._password())
                )
            )

    def dump(self, dbname: str) -> Path:
        """Back a database up with pg_dump and return the file (custom format)."""
        target = self.folder / f"{dbname}-{secrets.token_hex(4)}.dump"
        # TimescaleDB's catalogue has circular keys; pg_dump warns of them, which is expected.
        self.run("pg_dump", "--format=custom", f"--file={target}", f"--dbname={dbname}")
        return target

    def restore(self, dump: Path, dbname: str) -> None:
        """Restore a dump into a new database; an existing one of that name is dropped first.

        As TimescaleDB asks: its own pre- and post-restore around pg_restore.
        """
        self.drop_database(dbname)
        dsn = self.create_database(dbname)
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            conn.execute("SELECT timescaledb_pre_restore()")
        self.run("pg_restore", "--exit-on-error", f"--dbname={dbname}", str(dump))
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("SELECT timescaledb_post_restore()")

    def run(self, program: str, *args: str) -> str:
        """Run one of PostgreSQL's own programs as superuser against this server.

        Returns:
            What it printed. It can write below `folder` only.

        Raises:
            ServerDied: it ended with a status other than 0; its last words are quoted.
        """
        login = [
            "env", f"PGHOST={ports.LOOPBACK}", f"PGPORT={self.port}", f"PGUSER={_USER}",
            f"PGPASSFILE={self._passfile()}",
        ]  # fmt: skip
        return self._run([*login, self._program(program), *args])

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as conn:
            conn.execute(statement)

    def _init_cluster(self) -> None:
        password = self.folder / "password"
        _write_secret(password, secrets.token_hex(16))
        self.sandbox.own(self.folder, user=_USER)
        self._run([
            self._program("initdb"), "-D", self._data, "-U", _USER, f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin",
            "--locale=C.UTF-8", "--no-instructions", "--no-sync",
        ])  # fmt: skip

    def _run(self, argv: Sequence[str | Path]) -> str:
        command = self.sandbox.command(argv, user=_USER, writable=self.folder)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise _failure(f"{self._named(argv)} ended with {done.returncode}", done.stderr)
        return done.stdout

    @staticmethod
    def _named(argv: Sequence[str | Path]) -> str:
        """The program's name: the first word that is neither `env` nor one of its settings."""
        return next(Path(part).name for part in argv if part != "env" and "=" not in str(part))

    def _says_ready(self) -> bool:
        """Whether the last line of postmaster.pid is `ready`, as pg_ctl looks for it."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    @property
    def _data(self) -> Path:
        return self.folder / "cluster"

    def _program(self, name: str) -> Path:
        return self.sandbox.packages.postgres_bin / name

    def _password(self) -> str:
        return (self.folder / "password").read_text()

    def _passfile(self) -> Path:
        """A .pgpass, so that no password stands on a command line that `ps` shows."""
        path = self.folder / "pgpass"
        _write_secret(path, f"*:*:*:*:{self._password()}\n")
        self.sandbox.own(path, user=_USER)
        return path


def _write_secret(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)


def _failure(what: str, stderr: str) -> DiskFull | ServerDied:
    """The error for a program that ended badly, with the lines that say why."""
    lines = stderr.strip().splitlines()
    telling = [line for line in lines if "error:" in line or "FATAL:" in line or "ERROR:" in line]
    message = f"{what}: {' / '.join((telling or lines)[-4:])}"
    return DiskFull(message) if "No space left on device" in message else ServerDied(message)
