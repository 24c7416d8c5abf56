"""`msl import`: store what nodes without uplink wrote to a stick."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from contract.streams import Stream
from server.ingest.connection import open_connection
from server.ingest.stick import (
    Imported,
    NodeUnknown,
    StickUnreadable,
    acknowledgement,
    import_stick,
    write_acknowledgement,
)
from server.registry.printing import print_json
from server.settings import load

app = typer.Typer(add_completion=False)

OUTCOMES = ("stored", "duplicate", "held", "rejected")


@app.command()
def run(
    files: Annotated[list[Path], typer.Argument(help="Files written by msl-node export.")],
    ack_to: Annotated[
        Path | None,
        typer.Option(help="Folder for <node>.ack.json, instead of the file's own."),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Store files that nodes without uplink wrote to a stick, each record once.

    Safe to repeat. Connect as the role that ingests (msl_ingest). A damaged file is stored up to
    its last whole batch, an unusable one doesn't keep the others back. Beside each file goes
    <node>.ack.json; take it back to the node, whose msl-node export --acknowledge then frees its
    spool. Ends with 1 when a file could not be used whole or an acknowledgement not be written.

    Example: msl import /media/stick/*.msl-stick
    """
    values = load(settings)
    done: list[Imported] = []
    failures: list[str] = []
    with open_connection(values.dsn(), name="msl import") as conn:
        for path in files:
            try:
                one = import_stick(
                    conn,
                    path,
                    batch_rows=values.ingest_batch_rows,
                    dead_letter_max_rows=values.dead_letter_max_rows,
                    progress=_progress(path),
                )
            except (StickUnreadable, NodeUnknown) as error:
                failures.append(str(error))
                continue
            done.append(one)
            if one.damage:
                failures.append(_damaged(one))
            if not as_json:
                _say(one)
    written, refused = _acknowledge(done, ack_to)
    failures += refused
    if as_json:
        found = [_as_json(one) for one in done]
        print_json({"files": found, "acknowledgements": written, "failures": failures})
    else:
        for path_text in written:
            typer.echo(f"acknowledgement: {path_text}")
    for failure in failures:
        typer.echo(f"msl: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def _damaged(done: Imported) -> str:
    return (
        f"{done.path} is damaged: {done.damage}; the {done.batches_n} whole batches before are"
        " stored, export the rest again"
    )


def _acknowledge(done: Sequence[Imported], ack_to: Path | None) -> tuple[list[str], list[str]]:
    """Write one file per node and folder; return those written, and what went wrong."""
    written, failures = [], []
    places = sorted({(ack_to or one.path.parent, one.node_id) for one in done})
    for folder, node_id in places:
        own = [one for one in done if (ack_to or one.path.parent) == folder]
        try:
            written.append(str(write_acknowledgement(folder, acknowledgement(own, node_id))))
        except OSError as error:
            failures.append(
                f"all is stored, but {folder} takes no acknowledgement for {node_id}:"
                f" {error.strerror}; import again with --ack-to FOLDER"
            )
    return written, failures


def _say(done: Imported) -> None:
    typer.echo(f"{done.path}: {done.node_id}, spool {done.spool}, {done.batches_n} batches")
    for stream in Stream:
        counts = [f"{done.records[stream.value, outcome]} {outcome}" for outcome in OUTCOMES]
        if any(done.records[stream.value, outcome] for outcome in OUTCOMES):
            typer.echo(f"  {stream.value:<8}  {', '.join(counts)}")


def _as_json(done: Imported) -> dict[str, Any]:
    return {
        "file": str(done.path),
        "node": done.node_id,
        "spool": done.spool,
        "batches": done.batches_n,
        "damage": done.damage,
        "streams": {
            stream.value: {outcome: done.records[stream.value, outcome] for outcome in OUTCOMES}
            for stream in Stream
        },
        "complete_to": {key.stream.value: seq for key, seq in sorted(done.complete_to.items())},
    }


def _progress(path: Path) -> Any:
    def show(read_bytes: int, of_bytes: int) -> None:
        if sys.stderr.isatty():
            end = "\r\x1b[K" if read_bytes >= of_bytes else ""
            share = 100 * read_bytes // max(of_bytes, 1)
            typer.echo(f"\r\x1b[K{path.name}: {share} %{end}", err=True, nl=False)

    return show
