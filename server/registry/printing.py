"""Rows of the registry on a terminal, or as JSON for a machine."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import typer


def print_json(value: Any) -> None:
    """`value` as indented JSON; times in RFC 3339."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], none: str) -> None:
    """The named columns, aligned; `none` when there is nothing."""
    if not rows:
        typer.echo(none)
        return
    cells = [[name.removesuffix("_id") for name in columns]]
    cells += [[said(row[name]) for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        typer.echo("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def print_row(row: Mapping[str, Any]) -> None:
    """One row, a field a line."""
    width = max(map(len, row))
    for name, value in row.items():
        typer.echo(f"{name.ljust(width)}  {said(value)}")


def said(value: Any) -> str:
    """A value in a word: `-` for null, times to the second with their zone."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {' '.join(map(str, some))}" for name, some in value.items())
    return str(value)
