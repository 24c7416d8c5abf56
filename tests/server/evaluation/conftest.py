"""Published inputs where they are, and a made-up series whose figures other programs gave."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from server.evaluation.command import app

ROOT = Path(__file__).parents[3]


@pytest.fixture
def published() -> Path:
    """Folder of published inputs; they are other people's data and not part of this repository."""
    shared = Path(os.environ.get("MSL_SHARED_DATA", ROOT.parent / "shared" / "data"))
    folder = shared / "evaluation"
    if not folder.is_dir():
        pytest.skip(f"PUBLISHED INPUTS NOT HERE: {folder}; set MSL_SHARED_DATA to replicate them")
    return folder


@pytest.fixture
def wobble() -> NDArray[np.float64]:
    """(48,) numbers in (-1, 1) from a formula, so that another program can have the very same."""
    t = np.arange(48)
    return np.asarray(np.modf(np.sin(12.9898 * (t + 1)) * 43758.5453)[0], dtype=np.float64)


@pytest.fixture
def step_design() -> NDArray[np.float64]:
    """(48, 4): intercept, trend, level change at 24, slope change."""
    t = np.arange(48.0)
    post = (t >= 24).astype(np.float64)
    return np.column_stack([np.ones(48), t, post, post * (t - 24)])


@pytest.fixture
def step_series(wobble: NDArray[np.float64]) -> NDArray[np.float64]:
    """(48,) with a step of 1.5 and AR(1) errors."""
    t = np.arange(48.0)
    post = (t >= 24).astype(np.float64)
    errors = np.zeros(48)
    for i in range(48):
        errors[i] = (0.6 * errors[i - 1] if i else 0.0) + wobble[i]
    return np.asarray(10 + 0.05 * t + 1.5 * post + 0.02 * post * (t - 24) + errors)


@pytest.fixture
def cli() -> CliRunner:
    """Runs `msl evaluate` in process."""
    return CliRunner()


def write(folder: Path, text: str) -> str:
    """A CSV for a command."""
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def answer(cli: CliRunner, *arguments: str) -> dict[str, Any]:
    """What a command of `msl evaluate` says with --json."""
    result = cli.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found
