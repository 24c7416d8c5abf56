"""`msl gaps`."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from server.completeness.gaps import CAUSES, Gap, read_gaps
from server.completeness.lines import Line, read_lines
from server.db.connect import connect
from server.registry.errors import RegistryError
from server.registry.printing import print_json, print_table
from server.settings import load

app = typer.Typer(add_completion=False)

_LINE_COLUMNS = ["node_id", "stream", "spool", "complete_to", "highest", "awaited", "lost", "held",
                 "rejected", "last_at"]  # fmt: skip
_GAP_COLUMNS = ["node_id", "stream", "seq", "records", "from_t", "to_t", "cause"]


@app.command()
def run(
    node: Annotated[str | None, typer.Option(help="Of this node only.")] = None,
    days: Annotated[int, typer.Option(help="Restarts of the last days.", min=1)] = 30,
    limit: Annotated[int, typer.Option(help="At most so many gaps of a kind.", min=1)] = 200,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How far each stream is whole, what is missing, and why where that is known.

    Example: msl gaps --node lamp-01
    """
    with connect(load(settings).dsn(), name="msl gaps", autocommit=True) as conn:
        if node and conn.execute("SELECT FROM node WHERE node_id = %s", [node]).fetchone() is None:
            raise RegistryError(f"no node {node}; msl node list shows them")
        lines = read_lines(conn, node)
        since = datetime.now(UTC) - timedelta(days=days)
        gaps, total_n = read_gaps(conn, node_id=node, since=since, limit=limit)
    if as_json:
        print_json(
            {
                "lines": [asdict(line) for line in lines],
                "gaps": [asdict(gap) | {"records_n": gap.records_n} for gap in gaps],
                "gaps_n": total_n,
            }
        )
        return
    print_table([_line(line) for line in lines], _LINE_COLUMNS, "nothing received yet")
    typer.echo("")
    print_table([_gap(gap) for gap in gaps], _GAP_COLUMNS, "no gaps")
    for cause in sorted({gap.cause for gap in gaps}):
        typer.echo(f"{cause}: {CAUSES[cause]}")
    if total_n > len(gaps):
        typer.echo(f"{total_n - len(gaps)} more; name a node, or raise --limit")


def _line(line: Line) -> dict[str, Any]:
    short = {f"{name}": getattr(line, f"{name}_n") for name in ("awaited", "lost", "held")}
    return asdict(line) | short | {"rejected": line.rejected_n}


def _gap(gap: Gap) -> dict[str, Any]:
    seq = None if gap.first_seq is None else f"{gap.first_seq}-{gap.last_seq}"
    cause = f"{gap.cause} ({gap.detail})" if gap.detail else gap.cause
    return asdict(gap) | {
        "stream": gap.stream or "all",
        "seq": seq,
        "records": gap.records_n,
        "cause": cause,
    }
