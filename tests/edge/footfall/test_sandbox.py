"""The cage around the process that looks, seen from outside while it counts."""

import re
from pathlib import Path

import pyseccomp as seccomp
import pytest

from edge.sensors.footfall.counter import CounterDied, FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.source_spec import SourceSpec
from edge.sensors.footfall.vision.sandbox import add_rules

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


def test_the_filter_of_a_raspberry_pi_allows_the_same_calls_and_no_way_out(tmp_path: Path) -> None:
    cage = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    cage.add_arch(seccomp.Arch.AARCH64)
    cage.remove_arch(seccomp.Arch.NATIVE)
    add_rules(cage, 3, 4)
    with (tmp_path / "filter").open("w+b") as file:
        cage.export_pfc(file)
        file.seek(0)
        text = file.read().decode()
    allowed = set(re.findall(r'filter for syscall "(\w+)"', text))
    assert "arch aarch64" in text
    assert {"read", "write", "mmap", "futex", "exit_group"} <= allowed
    assert not allowed & {
        "openat",
        "socket",
        "connect",
        "execve",
        "clone",
        "clone3",
        "memfd_create",
    }
    assert "action KILL_PROCESS" in text
