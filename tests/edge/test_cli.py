"""`msl-node`: quick help with examples, errors in one line, exit codes that mean something."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEASURING_PACKAGES = ("numpy", "scipy", "cv2", "paho", "smbus2", "psutil")


def msl_node(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edge", *args], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    ["run", "selftest", "settings", "simulate", "level", "count", "export", "validate"],
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = msl_node(command, "--help")
    assert done.returncode == 0
    assert f"Example: msl-node {command}" in done.stdout


def test_help_imports_no_measuring_package() -> None:
    code = (
        "import sys, typer.testing, edge.cli;"
        "typer.testing.CliRunner().invoke(edge.cli.app, ['run', '--help']);"
        f"print([m for m in {MEASURING_PACKAGES} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_package_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['paho'] = None;"
        "sys.argv = ['msl-node', 'run', '-s', 'node_id=abc'];"
        "from edge.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'municipal-safety-lab[edge]'" in done.stderr


def test_settings_error_is_one_line_and_code_2() -> None:
    done = msl_node("run", "--set", "nod_id=abc")
    assert done.returncode == 2
    assert done.stderr == "error: no setting is called 'nod_id'; did you mean node_id?\n"


def test_selftest_names_what_fails(tmp_path: Path) -> None:
    sets = ["node_id=park-1", f"state_dir={tmp_path}", "light.source=emulated:opt3001"]
    sets += ["noise.source=wav:missing.wav", "broker.port=1", "trust_clock=always"]
    options = [part for text in sets for part in ("--set", text)]
    done = msl_node("selftest", "--json", *options)
    assert done.returncode == 1
    checks = json.loads(done.stdout)
    assert {name: check["ok"] for name, check in checks.items()} == {
        "clock": True,
        "disk": True,
        "spool": True,
        "light": True,
        "noise": False,
        "footfall": None,
        "broker": False,
    }
    assert "can't open missing.wav" in checks["noise"]["detail"]
    assert "127.0.0.1:1: " in checks["broker"]["detail"]
