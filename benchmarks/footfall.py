"""How true the people counter is, and what it costs: python -m benchmarks.footfall [--json].

Rendered streets always; the real clip (PETS 2009, 795 frames, 32 hand-marked crossings) and YOLOX
when `MSL_SHARED_DATA` (or ../shared/data) holds them. All processes are kept to one core; fps is
frames per second of that core's work, start, decoding and canary included, so that other load
doesn't change it. Missed and made up are matched within a second and in their direction.
"""

import argparse
import csv
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from edge.sensors.footfall.command import count_video
from edge.sensors.footfall.counter import BACKGROUND, FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.models import DetectorSpec, ModelFolder
from edge.sensors.footfall.source_spec import SourceSpec
from edge.simulate.scene import StreetScene

LINE = (130.0, 60.0, 130.0, 239.0)
SCENE_LINE = Geometry(0, (Line("line", *LINE),))
CLIP_LINE = Geometry(0, (Line("line", 310, 180, 310, 575),))
CLIP_WAYS = {"right": "a_to_b", "left": "b_to_a"}
SCENE_S = 240
# The background is being learned: what crosses now is in neither list.
LEARN_S = 4
IDLE_S = 20

Event = tuple[int, str]


@dataclass(frozen=True)
class Row:
    """One clip with one detector."""

    clip: str
    detector: str
    true_a_to_b: int
    true_b_to_a: int
    a_to_b: int
    b_to_a: int
    missed: int
    made_up: int
    fps: float


def counted(
    name: str, source: str, geometry: Geometry, detector: DetectorSpec, truth: list[Event],
    fps: float, learn_s: float = 0,
) -> Row:  # fmt: skip
    """Count a source and match its crossings with the truth."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.csv"
        before_s = children_cpu_s()
        result = count_video(SourceSpec.parse(source), geometry, detector, events=events)
        worked_s = children_cpu_s() - before_s
        with events.open() as file:
            found = [(int(row["frame"]), row["direction"]) for row in csv.DictReader(file)]
    truth = [event for event in truth if event[0] >= learn_s * fps]
    found = [event for event in found if event[0] >= learn_s * fps]
    missed, made_up = unmatched(truth, found, round(fps))
    ways = [[way for _, way in events] for events in (truth, found)]
    return Row(
        clip=name,
        detector=detector.rev,
        true_a_to_b=ways[0].count("a_to_b"),
        true_b_to_a=ways[0].count("b_to_a"),
        a_to_b=ways[1].count("a_to_b"),
        b_to_a=ways[1].count("b_to_a"),
        missed=missed,
        made_up=made_up,
        fps=round(float(str(result["video_s"])) * fps / worked_s, 1),
    )


def unmatched(truth: list[Event], found: list[Event], within: int) -> tuple[int, int]:
    """(missed, made up) when each true crossing takes the nearest found one of its way."""
    left = list(found)
    missed = 0
    for frame, way in truth:
        near = [event for event in left if event[1] == way and abs(event[0] - frame) <= within]
        if near:
            left.remove(min(near, key=lambda event: abs(event[0] - frame)))
        else:
            missed += 1
    return missed, len(left)


def scene_rows() -> Iterator[Row]:
    """Rendered streets: what helps and what hurts."""
    streets: dict[str, dict[str, float]] = {
        "single walkers, day": {"seed": 41, "fps": 10, "people": 8, "groups": 0},
        "with groups, day": {"seed": 42, "fps": 10},
        "with groups, 5 fps": {"seed": 43},
        "with groups, dusk": {"seed": 44, "light": 0.3},
        "with groups, night": {"seed": 45, "light": 0.08},
        "crowd, most in groups": {"seed": 46, "fps": 10, "people": 20, "groups": 0.6},
    }
    for name, options in streets.items():
        scene = StreetScene(
            seed=int(options["seed"]),
            fps=options.get("fps", 5),
            people_per_min=options.get("people", 6),
            light=options.get("light", 1),
            groups=options.get("groups", 0.3),
        )
        crossings = scene.crossings(LINE, round(SCENE_S * scene.fps))
        truth = [(crossing.frame, crossing.direction) for crossing in crossings]
        text = ";".join(f"{key}={value:g}" for key, value in options.items())
        source = f"scene:{text};seconds={SCENE_S}"
        yield counted(name, source, SCENE_LINE, BACKGROUND, truth, scene.fps, LEARN_S)


def clip_rows(folder: Path) -> Iterator[Row]:
    """The real clip, with each detector that can be had."""
    with (folder / "vtest_crossings.csv").open() as file:
        rows = list(csv.DictReader(file))
    truth = [(int(row["frame"]), CLIP_WAYS[row["direction"]]) for row in rows]
    detectors = [BACKGROUND]
    if (folder / "yolox_nano.onnx").is_file():
        detectors.append(ModelFolder().find(f"yolox:{folder / 'yolox_nano.onnx'}"))
    for detector in detectors:
        clip = str(folder / "vtest.avi")
        yield counted("PETS 2009 clip", clip, CLIP_LINE, detector, truth, 10)


def cost_of_emulated_camera() -> dict[str, float]:
    """Share of one core that the emulated camera and the vision process take in real time."""
    with FootfallCounter(SourceSpec.parse("scene:"), SCENE_LINE) as counter:
        reports = counter.reports()
        for _ in range(5):
            next(reports)
        processes = {name: psutil.Process(pid) for name, pid in counter.pids.items()}
        before = {name: cpu_s(process) for name, process in processes.items()}
        began_s = time.monotonic()
        while time.monotonic() - began_s < IDLE_S:
            next(reports)
        passed_s = time.monotonic() - began_s
        return {
            name: round((cpu_s(process) - before[name]) / passed_s, 4)
            for name, process in processes.items()
        }


def children_cpu_s() -> float:
    """Seconds of a core used by all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MSL_SHARED_DATA", default)) / "footfall"
    rows = list(scene_rows())
    if (folder / "vtest.avi").is_file():
        rows += clip_rows(folder)
    cost = cost_of_emulated_camera()
    if as_json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "core_share": cost}))
        return
    print(f"{'clip':24}{'detector':20}{'true':>8}{'found':>8}{'missed':>8}{'made up':>9}{'fps':>7}")
    for row in rows:
        true, found = f"{row.true_a_to_b}/{row.true_b_to_a}", f"{row.a_to_b}/{row.b_to_a}"
        print(
            f"{row.clip:24}{row.detector:20}{true:>8}{found:>8}"
            f"{row.missed:>8}{row.made_up:>9}{row.fps:>7.1f}"
        )
    if not (folder / "vtest.avi").is_file():
        print(f"real clip: NOT measured, no {folder / 'vtest.avi'}")
    print(f"emulated camera in real time, share of one core: {cost}")


if __name__ == "__main__":
    main()
