"""`msl lamps`: what the light says about each lamp."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from server.lighting.csv_samples import read_feeders, read_samples
from server.lighting.diagnosis import Diagnosis, diagnose
from server.lighting.episodes import Episode

_QUIET_S = 2.0
"""Whoever waits longer than this is told how far it is."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Lamps by their light: msl lamps recompute --from-csv lux.csv --site-lat 52.5"
    " --site-lon 13.4",
)


@app.callback()
def _lamps() -> None:
    """Lamps by their light alone; every episode is marked optical-inferred."""


@app.command()
def recompute(
    from_csv: Annotated[
        Path, typer.Option(help="Samples: columns t (unix seconds), node, lux; one a minute.")
    ],
    site_lat: Annotated[float, typer.Option(min=-90, max=90, help="Degrees, north positive.")],
    site_lon: Annotated[float, typer.Option(min=-180, max=180, help="Degrees, east positive.")],
    feeder_map: Annotated[
        Path | None,
        typer.Option(help="Columns node, feeder; without it all nodes are on one feeder."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: a list of episodes.")
    ] = False,
) -> None:
    """Tell all episodes of a site's lamps from their lux, from the first sample to the last.

    Example: msl lamps recompute --from-csv lux.csv --site-lat 52.5 --site-lon 13.4 --json
    """
    told = _Progress()
    feeders = None if feeder_map is None else read_feeders(feeder_map)
    samples = read_samples(from_csv, lambda rows: told.say(f"read {rows:,} rows"))
    found = diagnose(
        samples, site_lat, site_lon, feeders=feeders, progress=lambda node: told.say(f"lamp {node}")
    )
    _say_what_cannot_be_told(found)
    if as_json:
        typer.echo(json.dumps([episode.as_json() for episode in found.episodes], indent=1))
        return
    for episode in found.episodes:
        typer.echo(_line(episode))
    typer.echo(f"{len(found.episodes)} episodes of {len(samples)} lamps")


class _Progress:
    """Says on stderr how far it is, at most once in two seconds."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def say(self, what: str) -> None:
        if time.monotonic() - self._last_s >= _QUIET_S:
            typer.echo(what, err=True)
            self._last_s = time.monotonic()


def _say_what_cannot_be_told(found: Diagnosis) -> None:
    for node in found.never_lit:
        print(f"{node}: no lamp was seen switching; nothing can be told", file=sys.stderr)
    for begin_s, end_s in found.no_night:
        print(
            f"{_day(begin_s)} to {_day(end_s)}: the sun stays above -6 deg, there is no night;"
            " lamps can't be told",
            file=sys.stderr,
        )


def _line(episode: Episode) -> str:
    until = "open" if episode.to_s is None else _minute(episode.to_s)
    why = ", ".join(f"{name} {value}" for name, value in episode.evidence.items())
    return f"{_minute(episode.from_s)}  {until:16}  {episode.node}  {episode.kind}  ({why})"


def _minute(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")


def _day(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")
