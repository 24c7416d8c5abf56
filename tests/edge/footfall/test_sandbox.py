"""The cage around the process that looks, seen from outside while it counts."""

from pathlib import Path

import pytest

from edge.sensors.footfall.counter import CounterDied, FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.source_spec import SourceSpec

GEOMETRY = Geometry(1, (Line("path", 130, 60, 130, 239),))


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_running_vision_process_is_filtered_and_has_two_pipes() -> None:
    with FootfallCounter(SourceSpec.parse("scene:"), GEOMETRY) as counter:
        reports = counter.reports()
        next(reports)
        status = status_of(counter.pids["vision"])
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"].strip() == "1"


def test_a_forbidden_call_is_named_as_what_it_is() -> None:
    counter = FootfallCounter(SourceSpec.parse("scene:"), GEOMETRY)
    caged = "edge.sensors.footfall.vision.escapes"
    counter._vision_command = [*counter._vision_command[:2], caged, "fork"]
    with pytest.raises(CounterDied, match="tried what its sandbox forbids") as caught:
        next(counter.reports())
    assert caught.value.state == "sandbox_violation"
