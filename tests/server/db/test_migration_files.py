"""Every migration says what it does, why, in which units, in which transaction, and how back."""

import re
from pathlib import Path

import pytest

from server.db.errors import MigrationError
from server.db.migrate import BOOTSTRAP, Migration, read_migrations

FILES = [*read_migrations(), Migration(0, BOOTSTRAP.name, BOOTSTRAP.read_text(encoding="utf-8"))]


def header(migration: Migration) -> str:
    lines = migration.sql.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return " ".join(line.removeprefix("--").strip() for line in lines[:end])


@pytest.mark.parametrize("migration", FILES, ids=lambda m: m.name)
def test_header_says_what_why_units_transaction_undo(migration: Migration) -> None:
    said = header(migration)
    assert said.startswith(f"{migration.name}: ")
    for word in ("Why: ", "Units: ", "Transaction: ", "Undo: "):
        assert re.search(re.escape(word) + r"\S", said), f"{migration.name} lacks {word!r}"


def test_a_gap_in_the_numbers_is_refused_with_the_number_to_use(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    (tmp_path / "0003_c.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"0003_c\.sql comes where 0002 should"):
        read_migrations(tmp_path)


def test_a_file_that_is_not_named_like_a_migration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1-a.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"1-a\.sql is not named like"):
        read_migrations(tmp_path)
