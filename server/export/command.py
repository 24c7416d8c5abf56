"""`msl export`."""

import sys
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from contract.streams import Stream
from server.db.connect import connect
from server.export.columns import Grain
from server.export.parquet import require_pyarrow
from server.export.queries import find_scope
from server.export.tree import Order, Progress, export_tree
from server.registry.options import time
from server.registry.printing import print_json
from server.settings import load

app = typer.Typer(add_completion=False)


class ExportStream(StrEnum):
    """Streams that are exported; events may name people and stay."""

    LIGHT = "light"
    NOISE = "noise"
    FOOTFALL = "footfall"
    HEALTH = "health"


class FileFormat(StrEnum):
    """What the files are."""

    CSV = "csv"
    PARQUET = "parquet"


@app.command()
def run(
    stream: Annotated[ExportStream, typer.Argument(help="What was measured.")],
    from_t: Annotated[str, typer.Option("--from", help="From this time, with its zone.")],
    out: Annotated[Path, typer.Option("--out", help="Folder; a run that was cut off goes on.")],
    to_t: Annotated[str, typer.Option("--to", help="Before this time, with its zone.")] = "now",
    site: Annotated[str | None, typer.Option(help="The nodes while they stood there.")] = None,
    node: Annotated[str | None, typer.Option(help="This node.")] = None,
    lab: Annotated[str | None, typer.Option(help="All nodes of a lab.")] = None,
    grain: Annotated[Grain, typer.Option(help="A row a record, hour (UTC) or local day.")] = (
        Grain.RAW
    ),
    file_format: Annotated[FileFormat, typer.Option("--format", help="What the files are.")] = (
        FileFormat.CSV
    ),
    again: Annotated[
        bool, typer.Option("--again", help="Write finished days anew: late records may be in.")
    ] = False,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write tidy files, one a day, below OUT/lab=…/stream=…/day=….

    Values are corrected by the calibration that stands beside them; excluded and flagged records
    are in, marked. What was not measured is empty (null), never 0.

    Example: msl export light --site plaza --from 2026-03-01Z --to 2026-06-01Z --out spring

    Example: msl export noise --lab nord --grain 1h --format parquet --from 2026-01-01Z --out year
    """
    if [site, node, lab].count(None) != 2:
        raise typer.BadParameter("give one of --site, --node and --lab")
    if file_format is FileFormat.PARQUET:
        require_pyarrow()
    begin, end = _time(from_t), _time(to_t)
    if begin >= end:
        raise typer.BadParameter(f"--from {from_t} is not before --to {to_t}")
    with connect(load(settings).dsn(), name="msl export", autocommit=True) as conn:
        order = Order(
            stream=Stream(stream.value),
            grain=grain,
            scope=find_scope(conn, lab=lab, site=site, node=node),
            from_t=begin,
            to_t=end,
            format=file_format.value,
        )
        done = export_tree(conn, order, out, again=again, progress=_progress())
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", err=True, nl=False)
    if as_json:
        print_json(asdict(done) | {"folder": str(out)})
        return
    kept = f", {done.skipped_n} of them finished before" if done.skipped_n else ""
    typer.echo(f"{out}: {done.rows_n} rows, {done.files_n} files, {done.days_n} days{kept}")


def _time(text: str) -> datetime:
    # 2026-03-01Z is what one writes for a day; Python wants the hours too.
    day = f"{text[:10]}T00:00Z" if len(text) == 11 and text.endswith("Z") else text
    found = time(day)
    assert found is not None
    return found


def _progress() -> Progress:
    def show(day: date, rows_n: int, finished: bool) -> None:
        said = f"{day}: {rows_n} rows{' (there)' if finished else ''}"
        if sys.stderr.isatty():
            typer.echo(f"\r\x1b[K{said}", err=True, nl=False)
        else:
            typer.echo(said, err=True)

    return show
