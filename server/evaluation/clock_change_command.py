"""`msl evaluate clock-change`: what an hour of daylight does, around the change of clocks."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from server.evaluation import rendering
from server.evaluation.clock_change import ClockEvent, clock_change_result
from server.evaluation.clock_change_table import (
    changes_in,
    event_at,
    hourly_from_table,
    named_change,
)
from server.evaluation.count_table import Cells
from server.evaluation.errors import BadRequest
from server.evaluation.options import Alpha, AsJson, Level, pair
from server.evaluation.table import read_table

app = typer.Typer(add_completion=False)


@app.command("clock-change")
def clock_change_command(
    csv: Annotated[Path | None, typer.Argument(help="CSV of hourly counts in local time.")] = None,
    time: Annotated[str, typer.Option(help="Column of local times or dates.")] = "time",
    hour: Annotated[str | None, typer.Option(help="Column of hours 0-23, beside dates.")] = None,
    count: Annotated[str, typer.Option(help="Column of counts; empty = not observed.")] = "count",
    zone: Annotated[str | None, typer.Option(help="Take this time zone's own changes.")] = None,
    change: Annotated[
        list[str] | None, typer.Option(help="DATE:spring or DATE:autumn; may be repeated.")
    ] = None,
    spring_hour: Annotated[int, typer.Option(min=0, max=23, help="Dark, then bright.")] = 19,
    autumn_hour: Annotated[int, typer.Option(min=0, max=23, help="Bright, then dark.")] = 18,
    control_hours: Annotated[
        str, typer.Option(help="Hours lit alike on both sides.")
    ] = "13,14,21,22",
    days: Annotated[int, typer.Option(min=2, max=60, help="On each side.")] = 13,
    case: Annotated[str | None, typer.Option(help="DARK,DAY counts instead of a CSV.")] = None,
    control: Annotated[str | None, typer.Option(help="DARK,DAY of the control hours.")] = None,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Daylight's odds ratio: the same clock hour, dark on one side of the change, bright on the
    other, against hours whose light did not change (Uttley & Fotios 2017).

    Example: msl evaluate clock-change hourly.csv --time time --count n --zone Europe/Rome
    """
    if (csv is None) == (case is None):
        raise BadRequest("give either a CSV or --case DARK,DAY with --control DARK,DAY")
    if csv is None:
        if case is None or control is None:
            raise BadRequest("--case needs --control DARK,DAY")
        events = {"given": ClockEvent(_cells("--case", case), _cells("--control", control))}
    else:
        hourly = hourly_from_table(read_table(csv), time=time, count=count, hour=hour)
        if (zone is None) == (not change):
            raise BadRequest("give either --zone or one --change DATE:spring or more")
        changes = (
            [named_change(text) for text in change or []]
            if zone is None
            else changes_in(zone, hourly, days=days)
        )
        if not changes:
            raise BadRequest(f"{zone} has no clock change inside these times")
        events = {
            each.day.isoformat(): event_at(
                hourly, each, case_hour=spring_hour if each.brighter == "after" else autumn_hour,
                control_hours=_hours(control_hours), days=days,
            )
            for each in changes
        }  # fmt: skip
    rendering.show(clock_change_result(events, level=level, alpha=alpha), as_json=as_json)


def _cells(option: str, text: str) -> Cells:
    cells = Cells(*pair(option, text))
    if min(msgspec.structs.astuple(cells)[:2]) < 0:
        raise BadRequest(f"{option} {text}: counts can't be negative")
    return cells


def _hours(text: str) -> list[int]:
    try:
        hours = [int(part) for part in text.split(",")]
    except ValueError:
        raise BadRequest(f"--control-hours {text!r}: give hours, as in 13,14,21,22") from None
    if not all(0 <= hour <= 23 for hour in hours):
        raise BadRequest(f"--control-hours {text!r}: hours run from 0 to 23")
    return hours
