"""A database seen as the registry's commands see it, and the command itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from server.cli import app
from tests.fixtures_stack import Database

Msl = Callable[..., Result]


@pytest.fixture
def api(database: Database) -> Iterator[psycopg.Connection]:
    """The API role's own connection, in autocommit mode."""
    with psycopg.connect(database.dsn_as("msl_api"), autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        yield conn


@pytest.fixture
def msl(database: Database, tmp_path: Path) -> Msl:
    """`msl("site", "list")`: run the command as a user would, against the test's database."""
    settings = tmp_path / "server.toml"
    settings.write_text(f'database_dsn = "{database.dsn_as("msl_api")}"\n')

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--settings", str(settings)])

    return run
