"""How true the people counter is, and what it costs: python -m benchmarks.footfall [--json].

Rendered streets always; the real clip (PETS 2009, 795 frames, 32 hand-marked crossings) and YOLOX
when `MSL_SHARED_DATA` (or ../shared/data) holds them. fps is frames per second of
one core's work, start, decoding and canary included, so that other load doesn't change it.
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
from typing import Any

import cv2
import psutil

from benchmarks.footfall_cost import growth
from benchmarks.footfall_scenes import band_scores, scene_scores
from benchmarks.footfall_scoring import Event, Score
from edge.sensors.footfall.command import count_video
from edge.sensors.footfall.counter import BACKGROUND, FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.models import DetectorSpec, ModelFolder
from edge.sensors.footfall.source_spec import SourceSpec

SCENE_LINE = Geometry(0, (Line("line", 130, 60, 130, 239),))
CLIP_LINE = Geometry(0, (Line("line", 310, 180, 310, 575),))
CLIP_WAYS = {"right": "a_to_b", "left": "b_to_a"}
CLIP_FPS = 10
IDLE_S = 20


@dataclass(frozen=True)
class ClipScore:
    """The real clip with one detector."""

    detector: str
    score: Score
    fps: float


def figures() -> dict[str, Any]:
    """Every figure; the clip's list is empty where the clip isn't there."""
    cv2.setNumThreads(1)
    folder = data_folder()
    return {
        "clips": [
            {**row_of(clip.score), "detector": clip.detector, "fps": round(clip.fps, 1)}
            for clip in clip_scores(folder)
        ],
        "scenes": [
            {"scene": scene.scene, **row_of(scene.score), "unseen": round(scene.unseen_share, 3)}
            for scene in scene_scores()
        ],
        "bands": [{"band": band, **row_of(score)} for band, score in band_scores().items()],
        "growth": [
            {**asdict(cost), "frame_ms": round(cost.frame_ms, 2),
             "core_share": round(cost.core_share, 3)}
            for cost in growth(folder / "yolox_nano.onnx")
        ],
        "live_share": cost_of_emulated_camera(),
    }  # fmt: skip


def data_folder() -> Path:
    default = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("MSL_SHARED_DATA", default)) / "footfall"


def row_of(score: Score) -> dict[str, Any]:
    """A score's figures as a row of a table."""
    return {
        "true": score.true,
        "counted": score.counted,
        "missed": sum(score.missed),
        "made_up": sum(score.made_up),
        "f1": None if score.f1 is None else round(score.f1, 3),
        "net_error": None if score.net_error is None else round(score.net_error, 3),
    }


def clip_scores(folder: Path) -> Iterator[ClipScore]:
    """The real clip through the two processes, with each detector that can be had."""
    if not (folder / "vtest.avi").is_file():
        return
    with (folder / "vtest_crossings.csv").open() as file:
        truth = [(int(row["frame"]), CLIP_WAYS[row["direction"]]) for row in csv.DictReader(file)]
    detectors = [BACKGROUND]
    if (folder / "yolox_nano.onnx").is_file():
        detectors.append(ModelFolder().find(f"yolox:{folder / 'yolox_nano.onnx'}"))
    for detector in detectors:
        yield clip_score(folder / "vtest.avi", detector, truth)


def clip_score(clip: Path, detector: DetectorSpec, truth: list[Event]) -> ClipScore:
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.csv"
        before_s = children_cpu_s()
        result = count_video(SourceSpec.parse(str(clip)), CLIP_LINE, detector, events=events)
        worked_s = children_cpu_s() - before_s
        with events.open() as file:
            found = [(int(row["frame"]), row["direction"]) for row in csv.DictReader(file)]
    fps = float(str(result["video_s"])) * CLIP_FPS / worked_s
    return ClipScore(detector.rev, Score.of(truth, found, CLIP_FPS), fps)


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
    found = figures()
    if as_json:
        print(json.dumps(found))
        return
    for name, rows in found.items():
        print(f"\n{name}")
        for row in rows if isinstance(rows, list) else [rows]:
            print("  " + "  ".join(f"{key} {value}" for key, value in row.items()))
    if not found["clips"]:
        print(f"real clip: NOT measured, no {data_folder() / 'vtest.avi'}")


if __name__ == "__main__":
    main()
