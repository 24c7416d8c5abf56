"""`msl-node calibrate` as a technician and as a script use it; its event waits in the spool."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from edge.calibrate_command import calibrate
from edge.command_spool import NodeRuns
from edge.errors import CalibrationRefused, SettingsError
from edge.spool import Spool

Calibrate = Callable[..., Result]
TONE = ("-s", "noise.source=emulated", "--reference", "NC-75 no. 7")
LAMP = ("-s", "light.source=emulated:opt3001", "--reference", "T-10A no. 1")
LUX = [word for lux in ("5", "50", "500") for word in ("--reference-lux", lux)]


@pytest.fixture
def run(tmp_path: Path) -> Calibrate:
    """`run("noise", ...)` on a node whose state is in the test's folder."""
    node = ["-s", "node_id=park-1", "-s", f"state_dir={tmp_path}", "-s", "trust_clock=always"]

    def command(quantity: str, *words: str, keys: str = "") -> Result:
        return CliRunner().invoke(calibrate, [quantity, *node, *words], input=keys)

    return command


def spooled(folder: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "spool.db") as connection:
        rows = connection.execute("SELECT body FROM record WHERE stream = 'event'").fetchall()
    connection.close()
    return [json.loads(body) for (body,) in rows]


def test_noise_is_spooled_as_an_event_with_drift_from_the_second_on(
    run: Calibrate, tmp_path: Path
) -> None:
    first = run("noise", *TONE, "-s", "noise.mic_error_db=-1.3", "--yes", "--json")
    assert first.exit_code == 0, first.output
    second = run("noise", *TONE, "-s", "noise.mic_error_db=-0.9", "--yes", "--operator", "A. Roe")
    assert second.exit_code == 0, second.output
    printed = json.loads(first.stdout)
    assert (printed["as_found_db"], printed["offset_db"]) == (92.7, 1.3)
    assert printed["drift_db"] is None
    assert "drift        +0.40 dB since the last calibration" in second.output
    events = spooled(tmp_path)
    assert events[0]["body"] == {
        "kind": "calibration",
        "quantity": "noise",
        "gain": 1.0,
        "offset": 1.3,
        "as_found": 92.7,
        "as_left": 94.0,
        "drift": None,
        "uncertainty": 0.231,
        "reference": "NC-75 no. 7, 94 dB",
        "operator": None,
    }
    assert (events[1]["body"]["drift"], events[1]["body"]["operator"]) == (0.4, "A. Roe")
    assert all("SIMULATED" in event["flags"] for event in events)


def test_light_is_walked_through_level_by_level(run: Calibrate, tmp_path: Path) -> None:
    done = run("light", *LAMP, "-s", "light.dome_share=0.8", keys="\n\n5\n\n50\n\n500\ny\n")
    assert done.exit_code == 0, done.output
    asked = [line for line in done.output.splitlines() if "press Enter" in line]
    assert len(asked) == 4
    assert "cover the sensor so that no light gets in" in asked[0]
    (event,) = spooled(tmp_path)
    body = event["body"]
    assert (body["quantity"], body["gain"], body["offset"]) == ("light", 1.25, 0.0)
    assert (body["as_found"], body["as_left"]) == (40.0, 50.0)
    assert body["reference"] == "T-10A no. 1, at 5, 50, 500 lx"


def test_light_is_scriptable(run: Calibrate) -> None:
    done = run("light", *LAMP, *LUX, "--yes", "--json")
    printed = json.loads(done.stdout)
    assert printed["gain"] == pytest.approx(1.0, abs=0.01)
    assert [level["reference_lx"] for level in printed["levels"]] == [5, 50, 500]


@pytest.mark.parametrize(
    ("words", "kind", "why"),
    [
        (("noise", *TONE, "-s", "noise.mic_error_db=-9", "--yes"), CalibrationRefused, "seal it"),
        (("light", *LAMP, "--yes"), SettingsError, "give --reference-lux three times or more"),
        (("light", *LAMP, *LUX[:4], "--yes"), CalibrationRefused, "2 levels were read"),
        (("noise", "--reference", "x", "--yes"), SettingsError, "noise.source is off"),
        (("light", "--reference", "x", *LUX, "--yes"), SettingsError, "light.source is off"),
    ],
    ids=["far off", "nothing given", "two levels", "no microphone", "no light sensor"],
)
def test_refused_means_that_nothing_is_spooled(
    run: Calibrate, tmp_path: Path, words: tuple[str, ...], kind: type[Exception], why: str
) -> None:
    done = run(*words)
    assert isinstance(done.exception, kind)
    assert why in str(done.exception)
    assert not (tmp_path / "spool.db").exists() or spooled(tmp_path) == []
    assert not list(tmp_path.glob("calibration-*"))


def test_a_no_at_the_end_sends_nothing(run: Calibrate, tmp_path: Path) -> None:
    done = run("noise", *TONE, keys="\n\nn\n")
    assert isinstance(done.exception, CalibrationRefused)
    assert spooled(tmp_path) == []


def test_a_running_node_is_named_and_left_alone(
    run: Calibrate, open_spool: Callable[..., Spool]
) -> None:
    with open_spool():
        done = run("noise", *TONE, "--yes")
    assert isinstance(done.exception, NodeRuns)
    assert "the node runs and has the sensor" in str(done.exception)
    assert "stop it, calibrate, then start it again" in str(done.exception)


@pytest.mark.parametrize("quantity", ["light", "noise"])
def test_help_has_an_example(quantity: str) -> None:
    command = [sys.executable, "-m", "edge", "calibrate", quantity, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"Example: msl-node calibrate {quantity}" in done.stdout
