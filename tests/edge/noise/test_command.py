import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edge.sensors.noise.command import level, level_of_file

WriteWav = Callable[..., Path]
NAMES = ["laeq", "lceq", "lafmax", "lafmin", "la10", "la50", "la90", "overload_n", "seconds"]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(level)
    return app


def tone(seconds: float, amplitude: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    time_s = np.arange(round(seconds * 48_000)) / 48_000
    return (amplitude * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)


def test_json_carries_every_name(app: typer.Typer, write_wav: WriteWav) -> None:
    path = write_wav(tone(3, 0.1))
    done = CliRunner().invoke(app, ["--wav", str(path), "--sensitivity-db", "110", "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert list(printed) == NAMES
    assert printed["laeq"] == pytest.approx(90.0, abs=0.01)
    assert printed["seconds"] == 3.0


def test_table_names_what_was_not_measured(app: typer.Typer, write_wav: WriteWav) -> None:
    done = CliRunner().invoke(app, ["--wav", str(write_wav(np.zeros(4800, np.float32)))])
    assert done.exit_code == 0
    assert "laeq       not measured" in done.stdout
    assert "seconds    0.1" in done.stdout


def test_what_is_not_wav_ends_with_1_and_a_reason(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("not sound")
    done = CliRunner().invoke(app, ["--wav", str(path)])
    assert done.exit_code == 1
    assert "notes.wav is not a WAV file" in done.output


def test_silence_within_the_file_counts_as_time(write_wav: WriteWav) -> None:
    path = write_wav(np.concatenate((tone(5, 0.1), np.zeros(5 * 48_000, np.float32))))
    assert level_of_file(path)["laeq"] == pytest.approx(100 - 3.01, abs=0.01)
