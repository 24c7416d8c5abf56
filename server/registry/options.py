"""What all registry commands share: options, the session, times, entries from options."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import psycopg
import typer

from server.db.connect import connect
from server.registry.change import changing
from server.registry.entries import Entry
from server.registry.errors import RegistryError
from server.settings import load

E = TypeVar("E", bound=Entry)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="Settings file (TOML).")]
Actor = Annotated[str | None, typer.Option(help="Who does this, for the audit; you, unless given.")]


@contextmanager
def reading(settings: Path | None) -> Iterator[psycopg.Connection]:
    """A connection for looking."""
    with connect(load(settings).dsn(), name="msl registry", autocommit=True) as conn:
        yield conn


@contextmanager
def writing(settings: Path | None, actor: str | None) -> Iterator[psycopg.Connection]:
    """A connection within one audited transaction."""
    with reading(settings) as conn, changing(conn, actor or getpass.getuser()):
        yield conn


def time(text: str | None) -> datetime | None:
    """`now`, or a time with its zone, such as 2025-06-01T08:00+02:00.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None:
        return None
    if text == "now":
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time; such as 2025-06-01T08:00+02:00"
        ) from None
    if at.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no zone; such as {text}Z or {text}+02:00")
    return at


def entry(kind: type[E], /, **values: Any) -> E:
    """An entry of the options that were given; raises `RegistryError` naming a bad one."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        where = path.strip("`").removeprefix("$").removeprefix(".")
        raise RegistryError(f"{where}: {reason}" if where else reason) from None
