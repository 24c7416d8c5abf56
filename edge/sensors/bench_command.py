"""`msl-node bench`: what this machine can do, for choosing frames a second and detector."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.sensors.bench import agent_cost, detector_speed, machine, spool_records_per_s
from edge.sensors.footfall.models import DetectorSpec, ModelFolder


def bench(
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Beside background and the added models: yolox:FILE. Repeatable."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long the agent is watched.", min=5, max=3600)
    ] = 30.0,
    folder: Annotated[
        Path | None, typer.Option(help="Disk to write on; the system's temporary folder without.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this machine: frames a second of each detector, the whole agent's cost, the spool.

    Stop the node first, or it is measured too. Takes about a minute a detector.

    Example: msl-node bench

    Example: msl-node bench --detector yolox:yolox_nano.onnx --json
    """
    chosen = detectors(detector or [])
    found = {
        **machine(),
        "detectors": [detector_speed(spec) for spec in chosen.values()],
        "spool_records_per_s": round(spool_rate(folder), 1),
        "agents": [{"detector": name, **asdict(agent_cost(seconds, name))} for name in chosen],
    }
    typer.echo(json.dumps(found) if as_json else as_text(found))


def as_text(found: dict[str, Any]) -> str:
    """One line a figure, for people."""
    lines = [f"{found['board']}, {found['machine']}, {found['cores']} cores, load {found['load']}"]
    lines += [
        f"{row['detector']:24} {row['busy_fps']:.1f} fps a core with people,"
        f" {row['street_fps']:.1f} on a street with {row['people_per_min']:g} a minute"
        for row in found["detectors"]
    ]
    lines += [
        f"agent, empty scene 5 fps  {agent['core_share']:.1%} of one core,"
        f" {agent['rss_bytes'] / 2**20:.0f} MB in {agent['processes_n']} processes,"
        f" {agent['detector'].partition(':')[0]}"
        for agent in found["agents"]
    ]
    return "\n".join([*lines, f"{'spool':24} {found['spool_records_per_s']:.0f} records a second"])


def detectors(named: list[str]) -> dict[str, DetectorSpec]:
    """Background, every added model, and those named, by their setting; raises `ModelError`."""
    models = ModelFolder()
    texts = ["background", *(f"yolox:{model.name}" for model in models.list()), *named]
    return {text: models.find(text) for text in texts}


def spool_rate(folder: Path | None) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        return spool_records_per_s(Path(inside))
