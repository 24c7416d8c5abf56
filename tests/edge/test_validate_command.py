"""`msl-node validate`: a tally beside a running node, on its way to the server."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contract.records import FootfallRecord, LightRecord, LineCount
from contract.streams import Stream
from edge.recent_windows import RecentWindows, read_recent
from edge.tally import Tally
from tests.edge.fake_server import FakeServer

FROM_MS = 1_777_665_600_000  # 2026-05-01T20:00Z
PERIOD = ("--from", "2026-05-01T22:00+02:00", "--to", "2026-05-01T22:15+02:00")
HANDS = ("--manual-a-to-b", "30", "--manual-b-to-a", "12")


def remember(folder: Path) -> None:
    """A window as the agent keeps it: 25 and 11 crossings at 4 lx."""
    recent = RecentWindows(folder / "recent.json")
    for minute, lux in enumerate((3.0, 4.0, 90.0)):
        recent.note(
            LightRecord(seq=1, t=FROM_MS + minute * 60_000, dur_s=60, valid_s=60, lux_p10=lux,
                        lux_p50=lux, lux_p90=lux, lux_max=lux, sensor="opt3001")
        )  # fmt: skip
    recent.note(
        FootfallRecord(seq=1, t=FROM_MS, dur_s=900, valid_s=899, occupancy=None, fps=5,
                       scene_luma=80, geometry_rev=1,
                       lines=[LineCount(line="gate", a_to_b=25, b_to_a=11)])
    )  # fmt: skip


def run(folder: Path, *words: str) -> Result:
    import typer

    from edge.validate_command import validate

    app = typer.Typer()
    app.command()(validate)
    node = ["-s", "node_id=park-1", "-s", f"state_dir={folder}", "-s", "trust_clock=always"]
    return CliRunner().invoke(app, [*node, *words])


def test_recent_windows_outlive_a_restart_and_carry_the_light(tmp_path: Path) -> None:
    remember(tmp_path)
    (window,) = read_recent(tmp_path / "recent.json")
    assert (window.t_ms, window.dur_s, window.lux_p50) == (FROM_MS, 900, 4.0)
    assert window.lines[0].a_to_b == 25
    remember(tmp_path)
    assert len(read_recent(tmp_path / "recent.json")) == 2


def test_the_tally_is_compared_and_spooled(tmp_path: Path) -> None:
    remember(tmp_path)
    done = run(tmp_path, *HANDS, *PERIOD, "--operator", "A. Roe", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["factor"] == pytest.approx(42 / 36, abs=1e-4)
    assert said["low"] < said["factor"] < said["high"]
    assert (said["n"], said["lux_band"], said["line"]) == (42, "3-10 lx", "gate")
    assert "Clopper-Pearson" in said["method"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (HANDS, "give all of --manual-a-to-b"),
        ((*HANDS, "--from", "2026-05-01T22:00", "--to", "2026-05-01T22:15"), "has no zone"),
        ((*HANDS, *PERIOD, "--line", "door"), "no line is called 'door'"),
        ((*HANDS, *PERIOD[:3], "2026-05-01T22:30+02:00"), "for these 1800 s"),
    ],
    ids=["half", "zone", "line", "longer"],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    remember(tmp_path)
    done = run(tmp_path, *words)
    assert done.exit_code == 1
    assert why in str(done.exception)


def test_keys_count_and_can_be_taken_back() -> None:
    tally = Tally()
    for key in "aabxub":
        tally.press(key)
    assert (tally.a_to_b, tally.b_to_a, tally.given_up) == (2, 1, False)
    tally.press("q")
    assert tally.given_up


def test_keys_are_read_one_by_one_from_a_terminal() -> None:
    code = (
        "import time; from edge.tally import tally_until;"
        "t = tally_until(time.time() + 3, lambda *_: None); print(t.a_to_b, t.b_to_a)"
    )
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=secondary, stdout=subprocess.PIPE, text=True
    )
    time.sleep(1.5)
    os.write(primary, b"abba")
    said, _ = process.communicate(timeout=20)
    os.close(primary)
    os.close(secondary)
    assert said.split() == ["2", "2"]


@pytest.mark.mqtt
@pytest.mark.timeout(120)
def test_a_running_node_delivers_what_a_command_hands_over(
    server: FakeServer, node_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    remember(tmp_path / "state")
    command = [sys.executable, "-m", "edge", "run", "--config", str(node_file)]
    node = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.wait_for(lambda: bool(events(server, "restart")))
        beside = [sys.executable, "-m", "edge", "validate", "--config", str(node_file)]
        done = subprocess.run(
            [*beside, *HANDS, *PERIOD], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "handed to the running node" in done.stdout
        assert server.wait_for(lambda: bool(events(server, "validation")))
    finally:
        node.terminate()
        node.communicate(timeout=30)
    (body,) = events(server, "validation")
    assert (body["from_t"], body["to_t"]) == (FROM_MS, FROM_MS + 900_000)
    assert (body["manual_a_to_b"], body["counted_a_to_b"], body["lux_p50"]) == (30, 25, 4.0)


def events(server: FakeServer, kind: str) -> list[dict[str, Any]]:
    found = [
        json.loads(record)
        for (_, stream), records in server.stored.items()
        if stream is Stream.EVENT
        for record in records.values()
    ]
    return [event["body"] for event in found if event["body"]["kind"] == kind]
