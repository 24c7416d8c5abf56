"""`msl-node model add|list`: the detector models of this node."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import NodeError
from edge.sensors.footfall.models import ModelFolder

NameOption = Annotated[str, typer.Option("--name", help="Name; the file's own without it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]

model = typer.Typer(no_args_is_help=True, help="Detector models: the operator's weight files.")


@model.command("add")
def add_model(file: Path, name: NameOption = "") -> None:
    """Check a YOLOX (ONNX, COCO) file, copy it into the node's model folder and pin its hash.

    Example: msl-node model add yolox_nano.onnx --name nano
    """
    try:
        added = ModelFolder().add(file, name or file.stem.lower())
    except NodeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"added {added.name}, sha256 {added.sha256}; use --detector yolox:{added.name}")


@model.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """Added models with their hashes.

    Example: msl-node model list --json
    """
    models = ModelFolder().list()
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in models]))
        return
    for each in models:
        typer.echo(f"{each.name:20} {each.size_bytes:>10} bytes  {each.added}  {each.sha256}")
    if not models:
        typer.echo(f"no models in {ModelFolder().folder}; add one by msl-node model add FILE")
