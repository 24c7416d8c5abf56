"""`msl migrate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from server.db.connect import connect
from server.db.edition import read_edition
from server.db.migrate import migrate
from server.settings import load

app = typer.Typer(add_completion=False)


@app.command()
def run(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    dsn: Annotated[
        str | None,
        typer.Option(
            help="Instead of database_dsn; a superuser's the first time. Keep the password in"
            " ~/.pgpass: everybody on the machine can read a command line."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database up to date: roles, tables, views, flag table.

    Safe to repeat. Example: msl migrate --dsn postgresql://postgres@127.0.0.1/msl
    """
    where = dsn or load(settings).dsn()
    applied = migrate(where)
    with connect(where, name="msl migrate") as conn:
        edition = read_edition(conn)
    if as_json:
        typer.echo(json.dumps({"applied": applied, "edition": edition.name,
                               "timescaledb": edition.timescaledb}))  # fmt: skip
        return
    for name in applied:
        typer.echo(f"applied {name}")
    typer.echo(f"{'up to date' if applied else 'nothing to do'}: {edition}")
