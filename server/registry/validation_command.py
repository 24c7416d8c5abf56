"""`msl validation`: where the people counter was held against a tally by hand."""

from typing import Annotated

import typer

from server.registry import change, read, validations
from server.registry.options import Actor, Json, SettingsFile, reading, writing
from server.registry.printing import print_json, print_table

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="How well a line is counted, by band of light. Example: msl validation pending",
)

OfNode = Annotated[str | None, typer.Option("--node", help="Of this node only.")]
_COLUMNS = ["line", "lux_band", "n", "factor", "low", "high"]


@app.command("pending")
def pending(node: OfNode = None, settings: SettingsFile = None, as_json: Json = False) -> None:
    """Tallies that nodes have sent and nobody has accepted. Example: msl validation pending"""
    with reading(settings) as conn:
        rows = validations.pending(conn, node)
    _print(rows, ["event", "t", *_COLUMNS, "operator"], "nothing pending", as_json)


@app.command("accept")
def accept(
    event: str,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Let a tally count for its band of light; you answer for it.

    Example: msl validation accept lamp-01/abcdefgh/17
    """
    with writing(settings, actor) as conn:
        row = validations.accept(conn, event)
    if as_json:
        print_json(row)
        return
    band = row["lux_band"] or "no band: no light sensor ran"
    typer.echo(f"added validation {row['validation_id']} of {row['node_id']} ({band})")


@app.command("list")
def listed(node: OfNode = None, settings: SettingsFile = None, as_json: Json = False) -> None:
    """Validations that count. Example: msl validation list --node lamp-01"""
    with reading(settings) as conn:
        if node is not None:
            read.shown(conn, "node", node)
        rows = validations.accepted(conn, node)
    names = ["validation_id", "node_id", "from_t", *_COLUMNS, "rev", "geometry_rev"]
    _print(rows, names, "no validation yet", as_json)


@app.command("revoke")
def revoke(
    key: int, actor: Actor = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """Let a validation count no longer. Example: msl validation revoke 3"""
    with writing(settings, actor) as conn:
        row = change.revoke(conn, "validation", key)
    print_json(row) if as_json else typer.echo(f"revoked validation {key}")


def _print(rows: list[read.Row], names: list[str], none: str, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    print_table([{name: _short(row.get(name)) for name in names} for row in rows], names, none)


def _short(value: object) -> object:
    return round(value, 2) if isinstance(value, float) else value
