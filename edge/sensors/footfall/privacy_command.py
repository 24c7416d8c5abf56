"""`msl-node privacy-check`: the table for the data protection officer."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from edge.sensors.footfall.privacy import check

NOTES = """\
What leaves the node: counts per line and window (300 s or more), mean occupancy, frames a second,
mean brightness. No picture, track, box, face, time of a single person.
Documented exception: msl-node aim, for placing the camera. It runs only while the counter is
stopped, 10 minutes at most, in a cage like the counter's. It gives one grey picture of at most
96 x 96 points, the median of a minute, so that people who move aren't in it; who stands still for
more than half of it is, as a few points. None is given while too much moves. One browser on the
local link sees it, by an address printed on the console that works once. Nothing is written;
opening and closing are logged as events."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]
LeakOption = Annotated[
    list[str] | None,
    typer.Option("--plant-leak", help="System call to let through on purpose, e.g. socket."),
]


def privacy_check(as_json: JsonOption = False, plant_leak: LeakOption = None) -> None:
    """Try every way out of the process that sees pictures; exit 1 if one is open.

    Example: msl-node privacy-check
    """
    findings = check(tuple(plant_leak or ()))
    if as_json:
        rows = [{**asdict(finding), "good": finding.good} for finding in findings]
        typer.echo(json.dumps(rows))
    else:
        for finding in findings:
            typer.echo(f"{finding.what:40} {finding.outcome:10} {finding.detail}")
        typer.echo(f"\n{NOTES}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)
