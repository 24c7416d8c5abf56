import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edge.errors import SettingsError
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


@pytest.mark.parametrize("sens_db", [0.0, -60.0, 94.0, 180.0])
def test_any_full_scale_level_shifts_every_level_alike(write_wav: WriteWav, sens_db: float) -> None:
    path = write_wav(tone(3, 0.0001))
    at_120 = level_of_file(path, 120.0)
    shifted = level_of_file(path, sens_db)
    for name in NAMES[:7]:
        before, after = at_120[name], shifted[name]
        assert before is not None
        assert after is not None
        assert after - before == pytest.approx(sens_db - 120, abs=1e-6), name


@pytest.mark.parametrize("sens_db", [float("nan"), float("inf"), 1e9])
def test_a_level_that_no_microphone_has_is_refused(write_wav: WriteWav, sens_db: float) -> None:
    with pytest.raises(SettingsError, match="outside -200 to 300 dB"):
        level_of_file(write_wav(tone(1, 0.1)), sens_db)


def test_digital_silence_has_no_percentiles(write_wav: WriteWav) -> None:
    levels = level_of_file(write_wav(np.zeros(4 * 48_000, np.int16)))
    assert [levels[name] for name in NAMES[:7]] == [None] * 7
    assert levels["seconds"] == 4.0


def test_a_file_without_samples_is_no_measurement(app: typer.Typer, write_wav: WriteWav) -> None:
    done = CliRunner().invoke(app, ["--wav", str(write_wav(np.zeros(0, np.int16))), "--json"])
    assert done.exit_code == 1
    assert "holds no samples" in done.output


def test_a_cut_off_file_is_measured_as_far_as_it_goes(
    app: typer.Typer, write_wav: WriteWav
) -> None:
    path = write_wav((tone(4, 0.1) * 2**15).astype(np.int16))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    done = CliRunner().invoke(app, ["--wav", str(path), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["seconds"] == pytest.approx(2.0, abs=0.01)
    assert "is cut off: 2.00 of 4.00 s" in done.stderr
