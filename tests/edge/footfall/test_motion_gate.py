"""The gate before a costly detector."""

from collections.abc import Callable

import numpy as np
import pytest

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.vision.detector import Boxes, Detections
from edge.sensors.footfall.vision.motion_gate import MotionGate
from edge.simulate.scene import StreetScene

MakeFrame = Callable[..., Frame]
NOBODY = np.empty((0, 4), np.float32)


class Asked:
    """A detector that finds nobody and notes when it was asked."""

    ready = True

    def __init__(self) -> None:
        self.frames: list[int] = []

    def detect(self, frame: Frame, expected: Boxes) -> Detections:
        self.frames.append(frame.number)
        return Detections.none()

    def forget(self) -> None:
        self.frames.clear()


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_an_empty_square_is_looked_at_once_a_second(grey_frame: MakeFrame, asked: Asked) -> None:
    gate, scene = MotionGate(asked), StreetScene(seed=1, people_per_min=0, fps=10)
    for n in range(200):
        gate.detect(grey_frame(scene.render(n), n), NOBODY)
    assert 15 <= len(asked.frames) <= 45


def test_a_walker_wakes_the_detector(grey_frame: MakeFrame, asked: Asked) -> None:
    scene = StreetScene(seed=22, people_per_min=2, groups=0, fps=10)
    gate = MotionGate(asked)
    walking = []
    for n in range(600):
        gate.detect(grey_frame(scene.render(n), n), NOBODY)
        if any(10 < scene.foot_px(person, n)[0] < 310 for person in scene.people_at(n)):
            walking.append(n)
    assert len(walking) > 50
    assert len(set(walking) & set(asked.frames)) > 0.95 * len(walking)


def test_while_somebody_is_followed_the_detector_stays_on(
    grey_frame: MakeFrame, asked: Asked
) -> None:
    gate, scene = MotionGate(asked), StreetScene(seed=1, people_per_min=0, fps=10)
    somebody = np.array([[10, 10, 30, 70]], np.float32)
    for n in range(50):
        gate.detect(grey_frame(scene.render(n), n), somebody)
    assert asked.frames == list(range(50))


def test_a_lamp_that_comes_on_is_no_walker_for_long(grey_frame: MakeFrame, asked: Asked) -> None:
    gate = MotionGate(asked)
    dim, lit = (StreetScene(seed=1, people_per_min=0, fps=10, light=light) for light in (0.3, 0.5))
    for n in range(300):
        scene = dim if n < 50 else lit
        gate.detect(grey_frame(scene.render(n), n), NOBODY)
    assert len([n for n in asked.frames if n > 200]) < 30
