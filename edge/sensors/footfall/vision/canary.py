"""The canary: a drawn walker crosses a line; a counter that doesn't count one is blind.

A sandbox that is too tight, a wrong model, a broken library all look like an empty street. So the
whole chain, from frame to count, must count this walk at the start and every hour, or the sensor
says that it is unavailable.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame, PixelFormat
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.vision.detector import Detector
from edge.sensors.footfall.vision.people_counter import PeopleCounter

WIDTH, HEIGHT, FPS = 320, 240, 5.0
TALL_PX, FOOT_Y = 120, 220
EMPTY_FRAMES, STEP_PX = 9, 15
LINE = Geometry(0, (Line("canary", 160, 10, 160, 235),))
EVERY_S = 3600.0
AGAIN_S = 60.0

Bgr = tuple[int, int, int]
Share = tuple[float, float]
COAT, JEANS, SKIN, DARK = (60, 40, 30), (110, 70, 40), (150, 180, 215), (30, 33, 38)
# Limbs as (from, to, colour, width) in body heights: x to the right, y up from the feet.
LIMBS: tuple[tuple[Share, Share, Bgr, float], ...] = (
    ((0.00, 0.50), (-0.07, 0.26), JEANS, 0.10),
    ((-0.07, 0.26), (-0.14, 0.03), JEANS, 0.075),
    ((-0.14, 0.02), (-0.08, 0.015), DARK, 0.045),
    ((0.02, 0.50), (0.08, 0.27), JEANS, 0.10),
    ((0.08, 0.27), (0.10, 0.03), JEANS, 0.075),
    ((0.10, 0.02), (0.17, 0.015), DARK, 0.045),
    ((-0.10, 0.78), (-0.15, 0.62), COAT, 0.065),
    ((-0.15, 0.62), (-0.10, 0.50), COAT, 0.055),
    ((0.10, 0.78), (0.15, 0.62), COAT, 0.065),
    ((0.15, 0.62), (0.17, 0.49), COAT, 0.055),
    ((0.00, 0.86), (0.00, 0.81), SKIN, 0.06),
)
TRUNK: tuple[Share, ...] = ((-0.10, 0.80), (0.10, 0.80), (0.095, 0.47), (-0.095, 0.47))


class Canary:
    """Walks when it is time, and remembers how it went.

    Args:
        make_detector: Gives the detector to try: a fresh one where it learns from frames, so that
            the walk isn't taken for the street.
    """

    def __init__(self, make_detector: Callable[[], Detector]) -> None:
        self._make_detector = make_detector
        self._frames = walk()
        self._next_s = float("-inf")
        self._counted = False

    def alive(self, media_s: float) -> bool:
        """Whether the last walk was counted; walks first when an hour has passed."""
        if media_s >= self._next_s:
            self._counted = counts_walk(self._make_detector(), self._frames)
            self._next_s = media_s + (EVERY_S if self._counted else AGAIN_S)
        return self._counted


def counts_walk(detector: Detector, frames: list[Frame]) -> bool:
    """Whether the chain with this detector counts exactly the one crossing."""
    counter = PeopleCounter(LINE, detector, frames[0])
    for frame in frames:
        counter.add(frame)
    return counter.report().counts == ((1, 0),)


def walk() -> list[Frame]:
    """An empty street for a moment, then one walker from left to right."""
    xs = [None] * EMPTY_FRAMES + list(range(60, 270, STEP_PX))
    return [frame_of(number, x) for number, x in enumerate(xs)]


def frame_of(number: int, x: int | None) -> Frame:
    noise = np.random.default_rng(number).normal(0, 3, (HEIGHT, WIDTH, 3))
    picture = np.full((HEIGHT, WIDTH, 3), 150.0)
    picture[: HEIGHT // 3] = 175.0
    bgr = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if x is not None:
        draw_walker(bgr, x)
    yuv = np.asarray(cv2.cvtColor(cv2.GaussianBlur(bgr, (3, 3), 0), cv2.COLOR_BGR2YUV_I420))
    pixels = np.asarray(yuv, np.uint8)
    return Frame(number, number / FPS, False, PixelFormat.I420, WIDTH, HEIGHT, pixels)


def draw_walker(bgr: NDArray[np.uint8], x: int) -> None:
    """A figure that detectors of people know for one, standing at `x`."""

    def at(point: Share) -> tuple[int, int]:
        return round(x + point[0] * TALL_PX), round(FOOT_Y - point[1] * TALL_PX)

    def px(share: float) -> int:
        return max(1, round(share * TALL_PX))

    for start, end, colour, wide in LIMBS[:6]:
        cv2.line(bgr, at(start), at(end), colour, px(wide), cv2.LINE_AA)
    cv2.fillPoly(bgr, [np.array([at(corner) for corner in TRUNK])], COAT, cv2.LINE_AA)
    cv2.ellipse(bgr, at((0, 0.79)), (px(0.105), px(0.05)), 0, 0, 360, COAT, -1, cv2.LINE_AA)
    for start, end, colour, wide in LIMBS[6:]:
        cv2.line(bgr, at(start), at(end), colour, px(wide), cv2.LINE_AA)
    for hand in ((-0.09, 0.48), (0.175, 0.47)):
        cv2.circle(bgr, at(hand), px(0.027), SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(bgr, at((0, 0.92)), (px(0.055), px(0.075)), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(bgr, at((0, 0.945)), (px(0.06), px(0.058)), 0, 180, 360, DARK, -1, cv2.LINE_AA)
