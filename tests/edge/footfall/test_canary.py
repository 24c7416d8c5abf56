"""The canary: a counter that can't count a drawn walker is blind, and says so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.models import ModelFolder
from edge.sensors.footfall.reports import SightState
from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.canary import AGAIN_S, EVERY_S, Canary, counts_walk, walk
from edge.sensors.footfall.vision.detector import Boxes, Detections
from edge.sensors.footfall.vision.people_counter import PeopleCounter
from edge.sensors.footfall.vision.yolox import YoloxDetector


class Blind:
    """A detector that finds nobody, as a broken library would."""

    ready = True

    def detect(self, frame: Frame, expected: Boxes) -> Detections:
        return Detections.none()

    def forget(self) -> None:
        """Nothing to forget."""


def test_background_subtraction_counts_the_canary() -> None:
    assert counts_walk(BackgroundDetector(), walk())


def test_yolox_counts_the_canary(real_data: Path, tmp_path: Path) -> None:
    spec = ModelFolder(tmp_path).find(f"yolox:{real_data / 'yolox_nano.onnx'}")
    assert spec.path
    assert counts_walk(YoloxDetector(spec.path, spec.sha256), walk())


def test_a_blind_detector_does_not() -> None:
    assert not counts_walk(Blind(), walk())


def test_the_canary_walks_each_hour_and_after_a_miss_each_minute() -> None:
    made: list[float] = []
    now_s, works = 0.0, True

    def make() -> BackgroundDetector | Blind:
        made.append(now_s)
        return BackgroundDetector() if works else Blind()

    canary = Canary(make)
    for now_s in (0.0, 10.0, EVERY_S - 1, EVERY_S):
        assert canary.alive(now_s)
    works = False
    for now_s in (2 * EVERY_S, 2 * EVERY_S + 1, 2 * EVERY_S + AGAIN_S):
        assert not canary.alive(now_s)
    works = True
    assert not canary.alive(2 * EVERY_S + AGAIN_S + 1)
    now_s = 2 * EVERY_S + 2 * AGAIN_S
    assert canary.alive(now_s)
    assert made == [0.0, EVERY_S, 2 * EVERY_S, 2 * EVERY_S + AGAIN_S, now_s]


def test_a_missed_canary_makes_the_report_blind(
    grey_frame: Callable[..., Frame], noisy: Callable[[float, int], NDArray[np.uint8]]
) -> None:
    geometry = Geometry(0, (Line("line", 130, 60, 130, 239),))
    frames = [grey_frame(noisy(110, n), n) for n in range(20)]
    counter = PeopleCounter(geometry, BackgroundDetector(), frames[0], Canary(Blind))
    for frame in frames:
        counter.add(frame)
    report = counter.report()
    assert report.state is SightState.CANARY_MISSED
    assert report.seen_s == 0


@pytest.mark.parametrize("number", [0, 15])
def test_the_canary_is_the_same_each_time(number: int) -> None:
    assert np.array_equal(walk()[number].pixels, walk()[number].pixels)
