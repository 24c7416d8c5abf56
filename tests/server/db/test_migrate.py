"""Migrations are applied once, in order, whole or not at all, and never after they changed."""

import threading

import psycopg
import pytest

from contract.flags import FLAG_RULES, mask_barred_from
from server.db.edition import read_edition
from server.db.errors import MigrationError
from server.db.migrate import Migration, migrate, read_migrations
from tests.fixtures_stack import Database

pytestmark = pytest.mark.db


def names(conn: psycopg.Connection) -> list[str]:
    return [name for (name,) in conn.execute("SELECT name FROM migration ORDER BY number")]


def test_everything_is_applied_once(empty_database: Database) -> None:
    assert migrate(empty_database.dsn) == [m.name for m in read_migrations()]
    assert migrate(empty_database.dsn) == []


def test_a_changed_file_is_refused_with_its_name_and_both_checksums(database: Database) -> None:
    first, *others = read_migrations()
    changed = Migration(first.number, first.name, first.sql + "\n")
    with pytest.raises(MigrationError) as refusal:
        migrate(database.dsn, [changed, *others])
    for expected in (first.name, first.sha256, changed.sha256):
        assert expected in str(refusal.value)


def test_nothing_of_a_failed_file_stays(database: Database) -> None:
    files = read_migrations()
    bad = Migration(len(files) + 1, "9999_bad.sql", "CREATE TABLE half (n integer); SELECT 1 / 0")
    with pytest.raises(MigrationError, match=r"9999_bad\.sql failed, nothing of it stays"):
        migrate(database.dsn, [*files, bad])
    with psycopg.connect(database.dsn) as conn:
        assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)
        assert names(conn) == [m.name for m in files]


def test_a_database_newer_than_the_software_is_refused(database: Database) -> None:
    files = read_migrations()
    with pytest.raises(MigrationError, match=f"the database has {files[-1].name}"):
        migrate(database.dsn, files[:-1])


def test_two_runs_at_once_apply_everything_once(empty_database: Database) -> None:
    applied: list[list[str]] = []
    runs = [
        threading.Thread(target=lambda: applied.append(migrate(empty_database.dsn)))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(applied, key=len) == [[], [m.name for m in read_migrations()]]


def test_the_owner_migrates_without_a_superuser(database: Database) -> None:
    assert migrate(database.dsn_as("msl_owner")) == []


def test_a_role_that_is_not_the_owner_is_told_what_to_do(database: Database) -> None:
    with pytest.raises(MigrationError, match="'msl_ingest' can't act as msl_owner"):
        migrate(database.dsn_as("msl_ingest"))


def test_every_table_and_view_belongs_to_the_owner(database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        others = conn.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname IN ('public', 'dash', 'pub') AND relkind IN ('r', 'v', 'p')"
            " AND relowner <> 'msl_owner'::regrole"
        ).fetchall()
    assert others == []


def test_the_flag_table_is_the_contracts(database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        conn.execute("UPDATE flag SET rollup = NOT rollup, meaning = 'stale' WHERE bit = 7")
        conn.execute(
            "INSERT INTO flag VALUES ('GONE', 30, 'of an older contract', true, true, true, true)"
        )
        conn.commit()
        migrate(database.dsn)
        rows = conn.execute("SELECT name, bit, meaning, rollup FROM flag ORDER BY bit").fetchall()
        mask = conn.execute("SELECT sum(1 << bit) FROM flag WHERE NOT rollup").fetchone()
    assert rows == [(r.flag.value, r.bit, r.meaning, r.rollup) for r in FLAG_RULES]
    assert mask == (mask_barred_from("rollup"),)


def test_the_edition_is_found(database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        edition = read_edition(conn)
        (license_name,) = conn.execute("SHOW timescaledb.license").fetchone() or ("",)
    assert edition.name == {"apache": "apache", "timescale": "community"}[license_name]
    assert str(edition).startswith(f"TimescaleDB {edition.timescaledb} ({edition.name} edition)")


def test_a_database_without_timescaledb_is_told_to_migrate(empty_database: Database) -> None:
    with (
        psycopg.connect(empty_database.dsn) as conn,
        pytest.raises(LookupError, match="has no TimescaleDB; run msl migrate"),
    ):
        read_edition(conn)
