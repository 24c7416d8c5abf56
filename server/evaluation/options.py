"""Options that the commands of `msl evaluate` on a CSV share."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from server.evaluation.errors import BadRequest

Csv = Annotated[Path, typer.Argument(help="CSV with a header line; comma, semicolon or tab.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")]
Level = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")]
Alpha = Annotated[float, typer.Option(min=0.0001, max=0.5, help="p at or below is a finding.")]


def pair(option: str, text: str) -> tuple[float, float]:
    """Two finite numbers given as 50,30; raises `BadRequest` naming the option."""
    parts = text.split(",")
    try:
        first, second = (float(part) for part in parts)
    except ValueError:
        raise BadRequest(f"{option} {text!r}: give two numbers, as in 50,30") from None
    if not (np.isfinite(first) and np.isfinite(second)):
        raise BadRequest(f"{option} {text!r}: give two finite numbers")
    return first, second
