"""What this node's own hardware can do: detectors, the whole agent, the spool.

`msl-node bench` prints it; the figures in docs/accuracy.md are of another machine.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from contract.streams import Stream
from edge.clock import SystemClock
from edge.errors import NodeError
from edge.identity import boot_id, software_rev
from edge.sensors.footfall.counter import child_environment
from edge.sensors.footfall.models import DetectorSpec
from edge.simulate.records import RecordSource, fill
from edge.spool import Spool

SPEED = "edge.sensors.footfall.vision.speed"
SPEED_TIMEOUT_S = 300
# The counter warms up and walks its canary, the microphone's filters settle.
AGENT_START_S = 15.0
SPOOL_RECORDS_N = 2000
NOBODY = "scene:people=0;fps=5;width=640;height=480"


class BenchFailed(NodeError):
    """A part of the bench didn't run; the message says what it said."""


@dataclass(frozen=True)
class AgentCost:
    """The whole agent, all sensors emulated, an empty scene at 5 fps.

    The emulation's own work (drawing, making sound) is in it; a real sensor's driver isn't.

    Attributes:
        core_share: Of one core, all processes together.
        rss_bytes: Resident memory of all, pages they share counted in each.
        processes_n: How many they are.
    """

    core_share: float
    rss_bytes: int
    processes_n: int
    seconds: float


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    return {
        "machine": platform.machine(),
        "board": board(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def board() -> str:
    """The Pi's own name, else the processor's."""
    model = Path("/proc/device-tree/model")
    if model.is_file():
        return model.read_text().rstrip("\0\n")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def detector_speed(detector: DetectorSpec) -> dict[str, Any]:
    """Frames a second that one core can do; raises `BenchFailed`."""
    model = ["--model", str(detector.path), "--sha256", detector.sha256] if detector.path else []
    try:
        done = subprocess.run(
            [sys.executable, "-m", SPEED, *model],
            capture_output=True, text=True, timeout=SPEED_TIMEOUT_S, check=False,
            env=child_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BenchFailed(f"detector {detector.rev} took over {SPEED_TIMEOUT_S} s") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
        raise BenchFailed(f"detector {detector.rev}: {words[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "detector": detector.rev}


def agent_cost(seconds: float, detector: str = "background") -> AgentCost:
    """Run the agent in a folder of its own, with no broker to reach; raises `BenchFailed`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "edge", "run"),
            *("-s", "node_id=bench", "-s", f"state_dir={folder}", "-s", "trust_clock=always"),
            *("-s", "light.source=emulated:opt3001", "-s", "noise.source=emulated"),
            *("-s", f"footfall.source={NOBODY}", "-s", f"footfall.detector={detector}"),
        ]
        log = Path(folder) / "log"
        with log.open("w") as file:
            agent = psutil.Popen(command, stdout=file, stderr=file, env=child_environment())
        try:
            time.sleep(AGENT_START_S)
            return measured(agent, seconds)
        except psutil.NoSuchProcess:
            raise BenchFailed(f"the agent ended: {log.read_text()[-300:]}") from None
        finally:
            agent.terminate()
            agent.wait(30)


def measured(agent: psutil.Process, seconds: float) -> AgentCost:
    """Processor and memory of a process and its children over so many seconds."""
    processes = [agent, *agent.children(recursive=True)]
    before_s, began_s = sum(map(cpu_s, processes)), time.monotonic()
    time.sleep(seconds)
    used_s, passed_s = sum(map(cpu_s, processes)) - before_s, time.monotonic() - began_s
    rss_bytes = sum(process.memory_info().rss for process in processes)
    return AgentCost(used_s / passed_s, rss_bytes, len(processes), passed_s)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def spool_records_per_s(folder: Path) -> float:
    """Records a second written for good, a thousand a transaction, on the disk of `folder`."""
    clock = SystemClock()
    path = folder / "bench-spool.db"
    with Spool(
        path, limit_bytes=256 * 2**20, clock=clock, boot=boot_id(), rev=software_rev()
    ) as spool:
        began_s = time.monotonic()
        start_ms = int(clock.utc_s() * 1000) - SPOOL_RECORDS_N * 60_000
        start_ms -= start_ms % 60_000
        for _ in fill(
            spool, RecordSource(), Stream.NOISE, start_ms=start_ms, count=SPOOL_RECORDS_N
        ):
            continue
        return SPOOL_RECORDS_N / (time.monotonic() - began_s)
