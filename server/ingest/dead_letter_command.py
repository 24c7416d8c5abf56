"""`msl dead-letters`: look at what could not be stored, try it again, throw it away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row

from server.ingest.connection import open_connection
from server.ingest.dead_letter import DeadLetterFull
from server.ingest.ledger import LedgerFull
from server.ingest.replay import NoSuchLetter, Replay, replay
from server.ingest.writer import DATA_ERRORS
from server.registry.printing import print_json, print_row, print_table
from server.settings import load

app = typer.Typer(
    no_args_is_help=True,
    help="What could not be stored, kept whole. Example: msl dead-letters list",
)

SettingsFile = Annotated[Path | None, typer.Option("--settings", help="Settings file (TOML).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of dead letters.")]

_LIST = """
SELECT dead_letter_id, last_at, node_id, stream, first_seq, last_seq, count, replayed_at, reason
FROM dead_letter WHERE replayed_at IS NULL OR %(all)s ORDER BY last_at DESC LIMIT %(limit)s
"""
_SHOW = """
SELECT dead_letter_id, topic, node_id, spool, stream, boot, rev, sens_db, first_seq, last_seq,
       count, first_at, last_at, replayed_at, reason, payload
FROM dead_letter WHERE dead_letter_id = %s
"""


@app.command("list")
def list_letters(
    replayed: Annotated[bool, typer.Option(help="Those already replayed too.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the latest first.", min=1)] = 50,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """The latest dead letters. Example: msl dead-letters list --limit 20"""
    with _opened(settings) as conn, conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(_LIST, {"all": replayed, "limit": limit}).fetchall()
    columns = ["dead_letter_id", "last_at", "node_id", "stream", "first_seq", "last_seq", "count",
               "reason"]  # fmt: skip
    if as_json:
        print_json(rows)
    else:
        print_table([_shortened(row) for row in rows], columns, "no dead letters")


@app.command("show")
def show_letter(number: int, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One dead letter with its payload. Example: msl dead-letters show 7"""
    with _opened(settings) as conn, conn.cursor(row_factory=dict_row) as cur:
        row = cur.execute(_SHOW, (number,)).fetchone()
    if row is None:
        raise NoSuchLetter(f"there is no dead letter {number}; see msl dead-letters list")
    row["payload"] = bytes(row["payload"]).decode("utf-8", "backslashreplace")
    print_json(row) if as_json else print_row(row)


@app.command("replay")
def replay_letters(
    numbers: Numbers = None,
    every: Annotated[bool, typer.Option("--all", help="All not replayed yet.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Try to store dead letters again; ends with 1 when one of them still can't be.

    Example: msl dead-letters replay 7 8, or msl dead-letters replay --all
    """
    values = load(settings)
    failed = False
    with _opened(settings) as conn:
        for number in _chosen(conn, numbers, every):
            done = _tried(conn, number, values.dead_letter_max_rows)
            failed = failed or done.refused is not None
            typer.echo(f"{number}: {_said(done)}")
    if failed:
        raise typer.Exit(1)


@app.command("purge")
def purge_letters(
    numbers: Numbers = None,
    replayed: Annotated[bool, typer.Option("--replayed", help="All that were replayed.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Throw dead letters away for good; the ledger still says which seq they were.

    Example: msl dead-letters purge --replayed, or msl dead-letters purge 7
    """
    if not numbers and not replayed:
        raise typer.BadParameter("name numbers, or say --replayed")
    with _opened(settings) as conn:
        purged_n = conn.execute(
            "DELETE FROM dead_letter WHERE dead_letter_id = ANY(%s)"
            " OR (%s AND replayed_at IS NOT NULL)",
            (numbers or [], replayed),
        ).rowcount
    typer.echo(f"purged {purged_n}")


@contextmanager
def _opened(settings: Path | None) -> Iterator[psycopg.Connection]:
    with open_connection(load(settings).dsn(), name="msl dead-letters") as conn:
        yield conn


def _chosen(conn: psycopg.Connection, numbers: list[int] | None, every: bool) -> Sequence[int]:
    if every == bool(numbers):
        raise typer.BadParameter("name numbers, or say --all")
    if numbers:
        return numbers
    sql = "SELECT dead_letter_id FROM dead_letter WHERE replayed_at IS NULL ORDER BY 1"
    return [number for (number,) in conn.execute(sql).fetchall()]


def _tried(conn: psycopg.Connection, number: int, max_rows: int) -> Replay:
    try:
        return replay(conn, number, max_rows=max_rows)
    except (*DATA_ERRORS, DeadLetterFull, LedgerFull) as error:
        return Replay(refused=str(error).strip())


def _said(done: Replay) -> str:
    if done.refused is not None:
        return f"stays: {done.refused}"
    return f"{done.stored} stored, {done.held} held, {done.duplicate} already there"


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    reason = row["reason"]
    return row | {"reason": reason if len(reason) <= 60 else reason[:59] + "…"}
