"""Bring a database up to date: plain SQL files, in order, each in one transaction with its record.

A file that was applied never changes: its SHA-256 is kept and compared. The objects belong to
`msl_owner`; a superuser is needed the first time only, for roles and extensions (bootstrap.sql).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from contract.flags import FLAG_RULES
from server.db.errors import MigrationError

FOLDER = Path(__file__).parent / "migrations"
BOOTSTRAP = Path(__file__).parent / "bootstrap.sql"
OWNER = "msl_owner"

# Any number that nothing else in this database locks.
_LOCK_KEY = 7_301_201_466
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LEDGER = """
CREATE TABLE IF NOT EXISTS migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
_FLAG_UPSERT = """
INSERT INTO flag AS f (name, bit, meaning, rollup, kpi, evaluation, export)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET (bit, meaning, rollup, kpi, evaluation, export)
    = (excluded.bit, excluded.meaning, excluded.rollup, excluded.kpi, excluded.evaluation,
       excluded.export)
WHERE (f.bit, f.meaning, f.rollup, f.kpi, f.evaluation, f.export)
    IS DISTINCT FROM (excluded.bit, excluded.meaning, excluded.rollup, excluded.kpi,
                      excluded.evaluation, excluded.export)"""


@dataclass(frozen=True)
class Migration:
    """One file of `migrations/`."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Of the file as it stands."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files of `folder` in order; raises `MigrationError` unless they count 1, 2, 3, …"""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0004_what_it_is.sql; rename it")
        found.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(
                f"{migration.name} comes where {expected:04d} should; number it {expected:04d}"
            )
    return found


def migrate(dsn: str, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing and return the names of the files applied.

    Args:
        dsn: Of a superuser (always works), or of `msl_owner` once a superuser has been here.

    Raises:
        MigrationError: An applied file has changed, the database is newer than this software, or
            it was never prepared by a superuser. Nothing of a failed file stays.
    """
    wanted = read_migrations() if migrations is None else list(migrations)
    with psycopg.connect(dsn, autocommit=True, application_name="msl migrate") as conn:
        # For the session, not for one transaction: two runs must not interleave their files.
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        _become_owner(conn)
        with conn.transaction():
            conn.execute(_LEDGER)
        missing = _missing(conn, wanted)
        for migration in missing:
            _apply(conn, migration)
        if wanted:
            _refresh_flags(conn)
    return [migration.name for migration in missing]


def _become_owner(conn: psycopg.Connection) -> None:
    row = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is not None and row[0]:
        with conn.transaction():
            conn.execute(BOOTSTRAP.read_text(encoding="utf-8"))
    try:
        conn.execute(f"SET ROLE {OWNER}")
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege) as error:
        raise MigrationError(
            f"user {conn.info.user!r} can't act as {OWNER}: {str(error).strip()};"
            " migrate once as a superuser, who makes the roles"
        ) from error


def _missing(conn: psycopg.Connection, wanted: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied; raises `MigrationError` when the past doesn't match."""
    known = {migration.number: migration for migration in wanted}
    applied = conn.execute("SELECT number, name, sha256 FROM migration ORDER BY number").fetchall()
    for number, name, sha256 in applied:
        migration = known.get(number)
        if migration is None:
            raise MigrationError(
                f"the database has {name}, which this software doesn't know;"
                " it was migrated by a newer one: install that"
            )
        if migration.sha256 != sha256:
            raise MigrationError(
                f"{migration.name} has changed since it was applied: sha256 was {sha256},"
                f" is {migration.sha256}; restore the file and put the change in a new one"
            )
    return [migration for migration in wanted if migration.number > len(applied)]


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    try:
        with conn.transaction():
            conn.execute(migration.sql)
            conn.execute(
                "INSERT INTO migration (number, name, sha256) VALUES (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name} failed, nothing of it stays: {error}") from error


def _refresh_flags(conn: psycopg.Connection) -> None:
    """Copy the contract's flag table, so that SQL and code read the same one."""
    rows = [
        (r.flag.value, r.bit, r.meaning, r.rollup, r.kpi, r.evaluation, r.export)
        for r in FLAG_RULES
    ]
    with conn.transaction(), conn.cursor() as cur:
        cur.executemany(_FLAG_UPSERT, rows)
        cur.execute("DELETE FROM flag WHERE name <> ALL(%s)", [[row[0] for row in rows]])
