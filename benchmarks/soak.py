"""Does the node grow? Simulated hours at high speed: python -m benchmarks.soak --hours 24.

Runs the real agent with its real camera and vision processes on an emulated street, then the light
sensor and the microphone over the same hours, and watches every process: memory of its own (USS),
open file descriptors, threads. No broker can be reached, so the spool fills as in an outage.

Growth is what the last quarter of a stretch holds over its second quarter (medians): descriptors
and threads may not grow at all, memory by no more than `ALLOWED_BYTES`. Exit code 1 on growth.

Example: python -m benchmarks.soak --hours 1 --detector yolox:yolox_nano.onnx --json
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.accuracy import FIGURES, PAGE, stamp
from benchmarks.accuracy_page import page
from edge.sensors.footfall.counter import child_environment

# An allocator's pools move by hundreds of kilobytes; a leak of one object a frame of 5 fps would
# be megabytes within the hour.
ALLOWED_BYTES = 2 * 2**20
SAMPLE_S = 0.5
SAY_EVERY_S = 20.0
PEOPLE_PER_MIN = 6
STREAMS = ("footfall", "light", "noise")
_ENDS = "SELECT stream, last_end_ms FROM stream WHERE last_end_ms IS NOT NULL"


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    process: str
    stretch: str
    uss_bytes: int
    fds_n: int
    threads_n: int


@dataclass(frozen=True)
class Growth:
    """One process over one stretch: its level in the second quarter, and what came on top."""

    process: str
    stretch: str
    samples_n: int
    uss_bytes: int
    uss_growth_bytes: int
    fds_n: int
    fds_growth: int
    threads_growth: int

    @property
    def grows(self) -> bool:
        """Whether it holds more at the end than the rule allows."""
        return (
            self.uss_growth_bytes > ALLOWED_BYTES or self.fds_growth > 0 or self.threads_growth > 0
        )


@dataclass(frozen=True)
class Soak:
    """A whole run.

    Attributes:
        took_s: Real seconds.
        load: The machine's load average at the end.
    """

    hours: float
    detector: str
    took_s: float
    load: float
    processes: list[Growth]

    @property
    def grows(self) -> bool:
        return any(each.grows for each in self.processes)


def soak(hours: float, detector: str, *, say: bool = True) -> Soak:
    """Run the agent over so many simulated hours and watch it; raises `RuntimeError`."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "log").open("w") as log:
            agent = subprocess.Popen(
                _command(folder, hours, detector), stdout=log, stderr=log, env=child_environment()
            )
        try:
            samples = list(_watch(agent, folder / "spool.db", hours, say=say))
        finally:
            agent.terminate()
            agent.wait(60)
        counted = _records(folder / "spool.db")
        if min(counted.get(stream, 0) for stream in STREAMS) == 0:
            raise RuntimeError(
                f"no records of a stream, only {counted}: {(folder / 'log').read_text()[-400:]}"
            )
    took_s = time.monotonic() - began_s
    return Soak(hours, detector.partition(":")[0], took_s, os.getloadavg()[0], growths(samples))


def growths(samples: list[Sample]) -> list[Growth]:
    """Each process in each stretch; those seen too briefly to have quarters are left out."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.process, sample.stretch), []).append(sample)
    return [_growth(*key, each) for key, each in found.items() if len(each) >= 8]


def _growth(process: str, stretch: str, samples: list[Sample]) -> Growth:
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]

    def level(part: list[Sample], name: str) -> int:
        return int(median(getattr(sample, name) for sample in part))

    return Growth(
        process,
        stretch,
        len(samples),
        level(second, "uss_bytes"),
        level(last, "uss_bytes") - level(second, "uss_bytes"),
        level(second, "fds_n"),
        level(last, "fds_n") - level(second, "fds_n"),
        level(last, "threads_n") - level(second, "threads_n"),
    )


def _command(folder: Path, hours: float, detector: str) -> list[str]:
    scene = f"scene:seed=1;people={PEOPLE_PER_MIN};fps=5;seconds={hours * 3600:.0f}"
    options = {
        "node_id": "soak",
        "state_dir": folder,
        "trust_clock": "always",
        "broker.port": 1,
        "run.drain_s": 0,
        "light.source": "emulated:opt3001",
        "noise.source": "emulated",
        "footfall.source": scene,
        "footfall.detector": detector,
    }
    sets = [part for name, value in options.items() for part in ("-s", f"{name}={value}")]
    return [sys.executable, "-m", "edge", "run", "--fast", "--once", *sets]


def _watch(
    agent: "subprocess.Popen[bytes]", spool: Path, hours: float, *, say: bool
) -> Iterator[Sample]:
    """Samples of all processes until the agent ends."""
    said_s = time.monotonic()
    parent = psutil.Process(agent.pid)
    while agent.poll() is None:
        children = _children(parent)
        stretch = "people" if any(name == "vision" for name, _ in children) else "light and noise"
        for name, process in [("agent", parent), *children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                yield _sample(name, stretch, process)
        if say and time.monotonic() - said_s > SAY_EVERY_S:
            said_s = time.monotonic()
            print(f"{stretch}: {_reached(spool, hours)}", file=sys.stderr, flush=True)
        time.sleep(SAMPLE_S)


def _children(agent: psutil.Process) -> list[tuple[str, psutil.Process]]:
    """The frame holders by the module that they run; helpers that start them are left out."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in agent.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                words = " ".join(child.cmdline())
                for name in ("vision", "camera"):
                    if f"footfall.{name}" in words and not child.children():
                        found.append((name, child))
    return found


def _sample(name: str, stretch: str, process: psutil.Process) -> Sample:
    uss = process.memory_full_info().uss
    return Sample(name, stretch, uss, process.num_fds(), process.num_threads())


def _reached(spool: Path, hours: float) -> str:
    """How far each stream has come, in simulated hours."""
    ends = _query(spool, _ENDS)
    if not ends:
        return "nothing yet"
    begin_ms = time.time() * 1000 - 3_600_000  # of a run without run.start_at, about
    shown = (f"{stream} {(end - begin_ms) / 3.6e6:.1f} h" for stream, end in ends)
    return f"{', '.join(shown)} of {hours:g} h"


def _records(spool: Path) -> dict[str, int]:
    return dict(_query(spool, "SELECT stream, count(*) FROM record GROUP BY stream"))


def _query(spool: Path, query: str) -> list[tuple[Any, ...]]:
    if not spool.exists():
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []  # not made yet, or being made


def table(result: Soak) -> str:
    """The result as text."""
    head = (
        f"{result.hours:g} simulated hours, {result.detector}, {result.took_s:.0f} s,"
        f" load {result.load:.1f}\n"
        f"{'process':<10}{'stretch':<18}{'USS':>10}{'growth':>10}{'fds':>6}{'+fds':>6}{'+thr':>6}"
    )
    rows = [
        f"{g.process:<10}{g.stretch:<18}{g.uss_bytes / 2**20:>7.1f} MB"
        f"{g.uss_growth_bytes / 2**20:>+7.2f} MB{g.fds_n:>6}{g.fds_growth:>+6}"
        f"{g.threads_growth:>+6}{'   GROWS' if g.grows else ''}"
        for g in result.processes
    ]
    return "\n".join((head, *rows))


def keep(result: Soak) -> None:
    """Put the result among the kept figures, in the place of the last one of its detector."""
    kept = json.loads(FIGURES.read_text())
    runs = kept.get("soak", {"figures": {"runs": []}})["figures"]["runs"]
    others = [run for run in runs if run["detector"] != result.detector]
    figures = {"runs": [*others, {**asdict(result), "grows": result.grows}]}
    kept["soak"] = {"measured": stamp(), "figures": figures}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(page(kept))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Watch the node over simulated hours.",
        epilog="Example: python -m benchmarks.soak --hours 24",
    )
    parser.add_argument("--hours", type=float, default=24.0, help="simulated hours (24)")
    parser.add_argument("--detector", default="background", help="background or yolox:MODEL")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--keep", action="store_true", help="into docs/accuracy.md")
    chosen = parser.parse_args()
    result = soak(chosen.hours, chosen.detector)
    if chosen.keep:
        keep(result)
    print(json.dumps(asdict(result)) if chosen.json else table(result))
    sys.exit(1 if result.grows else 0)


if __name__ == "__main__":
    main()
