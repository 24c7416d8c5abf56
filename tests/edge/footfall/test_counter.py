"""The two processes as the agent runs them: real pipes, real deaths."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.sensors.footfall.counter import CounterDied, FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.reports import ReportRejected, SightState
from edge.sensors.footfall.source_spec import SourceSpec
from edge.sensors.footfall.stats import FootfallStats

GEOMETRY = Geometry(1, (Line("path", 130, 60, 130, 239),))


def counter_of(source: str, **options: bool | float) -> FootfallCounter:
    return FootfallCounter(SourceSpec.parse(source), GEOMETRY, **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    return (
        Path(f"/proc/{pid}/stat").is_file() and " Z " not in Path(f"/proc/{pid}/stat").read_text()
    )


def test_a_fast_scene_reports_each_second_up_to_its_end() -> None:
    counter = counter_of("scene:seed=2;seconds=20", fast=True, start_s=1000)
    reports = list(counter.reports())
    assert [report.sequence for report in reports] == list(range(len(reports)))
    assert [report.ended for report in reports] == [False] * (len(reports) - 1) + [True]
    assert reports[0].media_s == pytest.approx(1001, abs=0.21)
    assert reports[-1].media_s == pytest.approx(1000 + 99 / 5)
    assert sum(report.frames for report in reports) == 100
    assert sum(report.seen_s for report in reports) == pytest.approx(99 / 5, abs=0.05)
    assert counter.pids == {}


def test_an_emulated_camera_keeps_real_time() -> None:
    began_s = time.monotonic()
    with counter_of("scene:seed=2") as counter:
        reports = counter.reports()
        last = [next(reports) for _ in range(5)][-1]
        passed_s = time.monotonic() - began_s
    assert last.media_s >= 4.9
    assert passed_s >= last.media_s  # never ahead of the clock; a busy machine may lag behind


def test_a_dark_scene_is_said_and_not_counted_as_zero() -> None:
    stats = FootfallStats(GEOMETRY)
    reports = list(counter_of("scene:light=0;seconds=10", fast=True).reports())
    for report in reports:
        stats.add(report)
    assert {report.state for report in reports} == {SightState.DARK}
    assert stats.fields().lines[0].a_to_b is None


def test_a_missing_file_is_said_before_anything_starts(tmp_path: Path) -> None:
    counter = counter_of(str(tmp_path / "none.avi"))
    with pytest.raises(SettingsError, match="is no file"):
        next(counter.reports())
    assert counter.pids == {}


def test_a_camera_that_is_not_there_gives_its_reason() -> None:
    counter = counter_of("v4l2:/dev/video99")
    with pytest.raises(CounterDied, match="/dev/video99 can't be opened") as caught:
        next(counter.reports())
    assert caught.value.state == "no_camera"


def test_a_file_that_is_no_video_gives_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "noise.avi"
    path.write_bytes(os.urandom(5000))
    with pytest.raises(CounterDied, match="can't be opened"):
        next(counter_of(str(path)).reports())


def test_a_line_outside_the_picture_gives_its_reason() -> None:
    far = Geometry(1, (Line("far", 10, 10, 900, 10),))
    counter = FootfallCounter(SourceSpec.parse("scene:"), far)
    with pytest.raises(CounterDied, match="line far leaves the camera's frame") as caught:
        next(counter.reports())
    assert caught.value.state == "bad_setting"


@pytest.mark.parametrize(
    ("process", "state"), [("camera", "camera_died"), ("vision", "vision_died")]
)
def test_a_killed_process_is_an_error_and_a_restart_counts_again(process: str, state: str) -> None:
    counter = counter_of("scene:seed=2")
    reports = counter.reports()
    next(reports)
    pids = counter.pids
    os.kill(pids[process], signal.SIGKILL)
    with pytest.raises(CounterDied, match=f"{process} ended with code -9") as caught:
        list(reports)
    assert caught.value.state == state
    assert not any(alive(pid) for pid in pids.values())
    again = counter.reports()
    assert next(again).sequence == 0
    counter.stop()
    again.close()


def test_stopping_leaves_no_process() -> None:
    counter = counter_of("scene:seed=2")
    next(counter.reports())
    counter.start()
    pids = counter.pids
    assert set(pids) == {"camera", "vision"}
    counter.stop()
    counter.stop()
    assert not any(alive(pid) for pid in pids.values())


def test_both_processes_end_when_the_agent_is_killed() -> None:
    script = (
        "from edge.sensors.footfall.counter import FootfallCounter\n"
        "from edge.sensors.footfall.geometry import Geometry, Line\n"
        "from edge.sensors.footfall.source_spec import SourceSpec\n"
        "c = FootfallCounter(SourceSpec.parse('scene:'), Geometry(1, (Line('a', 9, 9, 99, 99),)))\n"
        "r = c.reports(); next(r); print(*c.pids.values(), flush=True); list(r)\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert agent.stdout
    with agent.stdout:
        pids = [int(pid) for pid in agent.stdout.readline().split()]
        agent.kill()
        agent.wait()
    deadline_s = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert [pid for pid in pids if alive(pid)] == []


def test_a_lying_vision_process_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = counter_of("scene:seed=2")
    liar = "import os, time; os.write(1, bytes(range(98))); time.sleep(60)"
    counter._vision_command = [sys.executable, "-c", liar]
    with pytest.raises(ReportRejected) as caught:
        next(counter.reports())
    assert caught.value.state == "bad_report"
    assert counter.pids == {}


def test_each_frame_of_a_scene_may_report() -> None:
    reports = list(counter_of("scene:seconds=4", fast=True, each_frame=True).reports())
    assert [report.frame for report in reports[:-1]] == list(range(20))


def test_the_agents_side_never_loads_opencv() -> None:
    script = (
        "import sys\n"
        "import edge.sensors.footfall.command, edge.sensors.footfall.counter\n"
        "import edge.sensors.footfall.stats\n"
        "bad = [name for name in sys.modules if name.startswith(('cv2', 'edge.sensors.footfall.v',"
        " 'edge.sensors.footfall.c'))]\n"
        "print(*sorted(bad))\n"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert loaded.stdout.split() == [
        "edge.sensors.footfall.command",
        "edge.sensors.footfall.counter",
    ]
