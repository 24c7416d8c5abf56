"""The spool's SQLite file: born, checked when opened, set aside when broken, held by one writer."""

import fcntl
import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from contract.ids import new_spool_id
from contract.streams import Stream
from edge.errors import NodeError

log = logging.getLogger(__name__)

BROKEN_KEPT = 3
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row a stream. next_seq only ever grows, so that no seq is used twice.
CREATE TABLE stream (
  stream TEXT PRIMARY KEY,
  next_seq INTEGER NOT NULL DEFAULT 1,
  sent_seq INTEGER NOT NULL DEFAULT 0,
  last_end_ms INTEGER
) WITHOUT ROWID;

-- What all records of one run of the software share: it goes into a batch's header.
CREATE TABLE origin (
  id INTEGER PRIMARY KEY,
  boot TEXT NOT NULL,
  rev TEXT NOT NULL,
  sens_db REAL
);

-- start_boot_s is null once `t` is final; until then `t` waits for a synchronised clock.
CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  origin INTEGER NOT NULL REFERENCES origin,
  made_ms INTEGER NOT NULL,
  made_boot_s REAL NOT NULL,
  start_boot_s REAL,
  body BLOB NOT NULL,
  UNIQUE (stream, seq)
);
CREATE INDEX record_waiting ON record (id) WHERE start_boot_s IS NOT NULL;

CREATE TABLE quarantine (
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  set_aside_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (stream, seq)
);
"""


class SpoolBroken(NodeError):
    """The spool's file is damaged or from another version."""


class SpoolBusy(NodeError):
    """Another process holds this spool."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the spool at `path`, creating it when there is none.

    Raises `SpoolBroken` when its content fails SQLite's own check, and `sqlite3.OperationalError`
    when the disk doesn't let us.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _configure(connection)
        _check(connection, path)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except (sqlite3.DatabaseError, SpoolBroken) as error:
        connection.close()
        raise SpoolBroken(f"spool {path} is broken: {error}") from error
    return connection


def successor(path: Path) -> Path:
    """A new, empty spool beside `path`, ready to take its place.

    Raises `sqlite3.OperationalError` when the disk has no room for it; `path` is untouched then.
    """
    new = path.with_name(f"{path.name}.new")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    open_file(new).close()
    return new


def set_aside(path: Path) -> Path:
    """Rename a broken spool and its journal, so that somebody can look at it; return its name.

    The newest `BROKEN_KEPT` stay: a card that goes bad breaks one file after the other, and they
    would fill the disk that the records need.
    """
    _forget_old(path)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


def _forget_old(path: Path) -> None:
    """Delete broken spools but the newest, so that with one more there are `BROKEN_KEPT`."""
    kept = [
        file
        for file in path.parent.glob(f"{path.name}.broken-*")
        if not file.name.endswith(("-wal", "-shm"))
    ]
    kept.sort(key=lambda file: file.stat().st_mtime_ns)
    for old in kept[: max(0, len(kept) - BROKEN_KEPT + 1)]:
        log.warning("%s is deleted: %d newer broken spools are kept", old.name, BROKEN_KEPT)
        for suffix in ("-wal", "-shm", ""):
            Path(f"{old}{suffix}").unlink(missing_ok=True)


def hold(path: Path) -> int:
    """Hold the spool for this process until the returned file descriptor is closed.

    Raises `SpoolBusy`: two writers would number the same records differently.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise SpoolBusy(
            f"spool {path} is in use by another process; stop the other msl-node first"
        ) from None
    return lock


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL syncs the journal at every commit: a spooled record survives a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    # In KiB: what is written is read once, in order. The default of 2 MB fills within a day's
    # outage and looks like a leak.
    connection.execute("PRAGMA cache_size = -256")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if version == 0 and tables == 0:
        _be_born(connection, path)
        return
    if version != SCHEMA_VERSION:
        raise SpoolBroken(f"schema {version}, this version reads {SCHEMA_VERSION}")
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise SpoolBroken(str(verdict))


def _be_born(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables and the spool's random id in one transaction: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('spool', ?)", (new_spool_id(),))
    connection.executemany("INSERT INTO stream (stream) VALUES (?)", [(s.value,) for s in Stream])
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
