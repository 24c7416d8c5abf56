"""`msl evaluate levels`: sound levels averaged as energy, for a course that `its` can read."""

import csv as csv_files
import sys
from typing import Annotated

import msgspec
import numpy as np
import typer

from server.evaluation.errors import BadTable
from server.evaluation.linear import Array
from server.evaluation.options import AsJson, Csv
from server.evaluation.results import number
from server.evaluation.sound_levels import energy_mean_db
from server.evaluation.table import Table, read_table

app = typer.Typer(add_completion=False)
_CUT = {"hour": 13, "day": 10, "month": 7, "year": 4}


@app.command("levels")
def levels_command(
    csv: Csv,
    column: Annotated[str, typer.Option(help="Column of levels in dB; empty = no level.")] = (
        "laeq"
    ),
    seconds: Annotated[
        str | None, typer.Option(help="Column of seconds that each level stands for.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Column whose values part the levels.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of ISO times, with --every.")] = None,
    every: Annotated[str, typer.Option(help="hour, day, month or year of --time.")] = "day",
    as_json: AsJson = False,
) -> None:
    """Energy averages, 10 log10 mean 10^(L/10), never the mean of dB; prints a CSV.

    Example: msl evaluate levels noise.csv --column laeq --seconds valid_s --time time --every day
    """
    table = read_table(csv)
    levels = table.numbers_or_nan(column)
    weight = np.ones(len(levels)) if seconds is None else _seconds(table, seconds)
    levels = np.where(weight > 0, levels, np.nan)
    rows = []
    labels = np.array(_labels(table, by, time, every))
    for label in dict.fromkeys(labels.tolist()):
        mine = labels == label
        heard = float(weight[mine & np.isfinite(levels)].sum())
        average = number(energy_mean_db(levels[mine], weight[mine]))
        rows.append({"time": label, column: average, "weight": heard})
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode({"rows": rows}), indent=2).decode())
        return
    writer = csv_files.DictWriter(sys.stdout, ["time", column, "weight"])
    writer.writeheader()
    writer.writerows(rows)


def _seconds(table: Table, column: str) -> Array:
    found = table.numbers(column)
    if found.min() < 0:
        raise BadTable(f"{table.path.name}: column {column} is {found.min():g}, below 0 s")
    return found


def _labels(table: Table, by: str | None, time: str | None, every: str) -> list[str]:
    if by is not None:
        return table.labels(by)
    if time is None:
        return ["all"] * len(table)
    if every not in _CUT:
        raise BadTable(f"--every {every!r}: give {', '.join(_CUT)}")
    return [cell[: _CUT[every]] for cell in table.labels(time)]
