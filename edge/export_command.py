"""`msl-node export`: the spool onto a stick, and the server's acknowledgement back."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from contract.streams import Stream
from edge.clock import TrustedClock
from edge.errors import SettingsError
from edge.export import Exported, acknowledge, export_to, read_acknowledgement
from edge.identity import boot_id, software_rev
from edge.settings import Settings, load
from edge.spool import Spool
from edge.spool_rows import to_t_ms


def export(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The node's settings file (node.toml).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="One setting as name=value; repeatable."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the stick: write the spool there.")
    ] = None,
    acknowledged: Annotated[
        Path | None,
        typer.Option(
            "--acknowledge",
            help="Folder of the stick after msl import: free what the server has. Stop the node"
            " first.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Carry the records of a node without uplink to the server on a stick.

    Writing works beside a running node and deletes nothing; a second export holds the same and
    more. Only what the server's own file acknowledges leaves the spool.

    Example: msl-node export --config node.toml --to /media/stick

    Example: msl-node export --config node.toml --acknowledge /media/stick
    """
    if (to is None) == (acknowledged is None):
        raise SettingsError("give either --to FOLDER or --acknowledge FOLDER")
    settings = load(config, overrides or ())
    if to is not None:
        _write(settings, to, as_json)
    elif acknowledged is not None:
        _free(settings, acknowledged, as_json)


def _write(settings: Settings, folder: Path, as_json: bool) -> None:
    done = export_to(
        folder,
        _spool_path(settings),
        settings.text("node_id"),
        now_ms=to_t_ms(time.time()),
        progress=_progress,
    )
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", err=True, nl=False)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "file": str(done.path),
                    "spool": done.spool,
                    "batches": done.batches_n,
                    "bytes": done.size_bytes,
                    "records": done.records,
                    "waiting": done.waiting_n,
                }
            )
        )
        return
    for line in _said(done):
        typer.echo(line)


def _said(done: Exported) -> list[str]:
    counts = ", ".join(f"{n} {stream}" for stream, n in done.records.items()) or "no records"
    lines = [f"{done.path}: {counts} in {done.batches_n} batches, {done.size_bytes / 1e6:.1f} MB"]
    if done.waiting_n:
        lines.append(
            f"{done.waiting_n} records left out: they wait for the clock; a running node settles"
            " them within 10 minutes"
        )
    return [*lines, f"next: on the server, msl import {done.path.name}"]


def _free(settings: Settings, where: Path, as_json: bool) -> None:
    ack = read_acknowledgement(where, settings.text("node_id"))
    with Spool(
        _spool_path(settings),
        limit_bytes=settings.integer("spool.limit_bytes"),
        clock=TrustedClock(always=settings.text("trust_clock") == "always"),
        boot=boot_id(),
        rev=software_rev(),
    ) as spool:
        freed = acknowledge(spool, ack)
        left_n = spool.depth().records_n
    if as_json:
        typer.echo(json.dumps({"deleted": freed, "left": left_n}))
        return
    counts = ", ".join(f"{n} {stream}" for stream, n in freed.items())
    typer.echo(f"deleted {counts}; {left_n} records are left in the spool")


def _progress(stream: Stream, done_n: int, of_n: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{stream}: {done_n} of {of_n}", err=True, nl=False)


def _spool_path(settings: Settings) -> Path:
    return (settings.path("state_dir") or Path("state")) / "spool.db"
