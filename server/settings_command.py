"""`msl settings`."""

import json
from pathlib import Path
from typing import Annotated

import typer

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
