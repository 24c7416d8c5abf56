"""`msl-node count`: count a video file, to try a line or to validate a detector."""

import csv
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import NodeError, SettingsError
from edge.sensors.footfall.counter import BACKGROUND, FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.models import DetectorSpec, ModelFolder
from edge.sensors.footfall.reports import Report
from edge.sensors.footfall.source_spec import SourceSpec
from edge.sensors.footfall.stats import FootfallStats

VideoOption = Annotated[
    str, typer.Option("--video", help="Video file, or scene:seed=1;seconds=60.")
]
LineOption = Annotated[
    list[str],
    typer.Option("--line", help="x1,y1,x2,y2 in pixels, or name:x1,y1,x2,y2; repeatable."),
]
DetectorOption = Annotated[str, typer.Option(help="background, or yolox:MODEL (file or name).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
EventsOption = Annotated[
    Path | None, typer.Option(help="Write frame,direction,line of each crossing; files only.")
]


def count(
    video: VideoOption,
    line: LineOption,
    detector: DetectorOption = "background",
    as_json: JsonOption = False,
    events: EventsOption = None,
) -> None:
    """Count people who cross a line in a video.

    Side A is where (x2-x1)(y-y1) - (y2-y1)(x-x1) > 0, y downwards; a_to_b leaves it.

    Example: msl-node count --video clip.avi --line 310,180,310,575 --json
    """
    try:
        source, geometry = SourceSpec.parse(video), geometry_of(line)
        if source.live:
            raise SettingsError("count reads files; a camera is counted by msl-node run")
        result = count_video(source, geometry, ModelFolder().find(detector), events=events)
    except NodeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(json.dumps(result) if as_json else as_text(result))


def geometry_of(lines: list[str]) -> Geometry:
    """Lines as given; unnamed ones become `line`, `line2`, …"""
    names = ["line", *(f"line{number}" for number in range(2, len(lines) + 1))]
    parsed = [Line.parse(text, name) for text, name in zip(lines, names, strict=True)]
    return Geometry(0, tuple(parsed))


def count_video(
    source: SourceSpec,
    geometry: Geometry,
    detector: DetectorSpec = BACKGROUND,
    *,
    events: Path | None = None,
) -> dict[str, object]:
    """Counts of a whole file; with `events` each crossing goes to that CSV as well.

    `a_to_b`, `b_to_a` are of the first line (null when the camera could see nothing), `lines`
    has them all; `fps` is how many frames a second were worked through, `video_s` the length.
    """
    began_s = time.monotonic()
    stats = FootfallStats(geometry, simulated=source.simulated)
    rows: list[tuple[int, str, str]] = []
    frames, video_s = 0, 0.0
    with FootfallCounter(
        source, geometry, detector=detector, fast=True, each_frame=events is not None
    ) as counter:
        for report in counter.reports():
            stats.add(report)
            rows += crossings_of(report, geometry)
            frames, video_s = report.frame + 1, report.media_s
    if events is not None:
        write_events(events, rows)
    fields = stats.fields()
    first = fields.lines[0]
    return {
        "a_to_b": first.a_to_b,
        "b_to_a": first.b_to_a,
        "fps": round(frames / (time.monotonic() - began_s), 1),
        "video_s": round(video_s * frames / max(frames - 1, 1), 2),
        "valid_s": fields.valid_s,
        "flags": [str(flag) for flag in fields.flags],
        "lines": {each.line: [each.a_to_b, each.b_to_a] for each in fields.lines},
    }


def crossings_of(report: Report, geometry: Geometry) -> list[tuple[int, str, str]]:
    """(frame, direction, line) of each crossing in a report of a single frame."""
    return [
        (report.frame, direction, line.name)
        for line, pair in zip(geometry.lines, report.counts, strict=True)
        for direction, number in zip(("a_to_b", "b_to_a"), pair, strict=True)
        for _ in range(number)
    ]


def write_events(path: Path, rows: list[tuple[int, str, str]]) -> None:
    """Crossings as CSV, in order of frames."""
    try:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("frame", "direction", "line"))
            writer.writerows(rows)
    except OSError as error:
        raise SettingsError(f"events file {path}: {error.strerror}; choose another path") from error


def as_text(result: dict[str, object]) -> str:
    """One name and value a line, for people."""
    return "\n".join(f"{name:8} {shown(value)}" for name, value in result.items())


def shown(value: object) -> str:
    if value is None:
        return "none (nothing could be seen)"
    if isinstance(value, dict):
        return ", ".join(f"{name} {a}/{b}" for name, (a, b) in value.items())
    if isinstance(value, list):
        return " ".join(value) or "-"
    return str(value)
