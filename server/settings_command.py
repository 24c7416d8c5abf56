"""`msl settings`."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from server.settings import load, table

app = typer.Typer(add_completion=False)


@app.command()
def show(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every setting: its value here, default, unit, what it is for.

    Example: MSL_SERVE_PORT=8080 msl settings
    """
    values = load(settings)
    values = msgspec.structs.replace(values, database_dsn=_masked(values.database_dsn))
    if as_json:
        rows = [
            {"name": row.name, "value": getattr(values, row.name), "default": row.default,
             "unit": row.unit, "variable": row.variable, "help": row.help}
            for row in table()
        ]  # fmt: skip
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in table():
        value = getattr(values, row.name)
        shown = "not set" if value is None else f"{value} {row.unit}".strip()
        changed = "" if value == row.default else "  (changed)"
        typer.echo(f"{row.name} = {shown}{changed}\n    {row.help}; {row.variable}")


def _masked(dsn: str) -> str:
    """`dsn` as it may be pasted into a report, without the password that doesn't belong in it."""
    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return "not a connection string"
    return make_conninfo("", **parts | {"password": "***"}) if "password" in parts else dsn
