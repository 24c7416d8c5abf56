"""People as what moves before a learned background (MOG2): needs no model file.

Weak where people stand still for long, in dense groups and in driving rain; `blobs` undoes the
worst of it with the tracker's help.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame, PixelFormat
from edge.sensors.footfall.vision.blobs import Blob, Rectangle, people_in
from edge.sensors.footfall.vision.detector import Boxes, Detections

# People of 60 px and more keep 30 px at this width, which is enough for their feet.
WORK_WIDTH_PX = 384
# How long the background remembers. A person who stands becomes background after about a tenth
# of it (MOG2's background ratio of 0.9), so this also says how long a loiterer stays visible.
MEMORY_S = 300.0
LEARN_FRAMES = 8
# Squared distance in standard deviations at which a pixel counts as foreground.
VAR_THRESHOLD = 20.0
# MOG2 marks what is the same colour but darker as 127; a soft shadow is this much darker at most.
SHADOW_DARKEST = 0.55
FOREGROUND = 255
LEAST_FRAGMENT_PX2 = 6
MOST_BLOBS = 24
# Light from a car: areas (as shares of the width) wider than anybody, brighter by this factor, in
# which a pixel keeps this close to what its neighbours gained.
LIT_AREA, LIT_NEAR = 0.4, 0.07
LIT_AREA_GAIN, LIT_GAIN, LIT_SPREAD = 1.5, 1.25, 0.4
# Less foreground than this is no beam; looking for one would cost every frame of an empty street.
LIGHT_SHARE = 0.01
# A picture that is all foreground is a jump of light or of the camera, not a crowd.
MOST_FOREGROUND = 0.5


class BackgroundDetector:
    """People by background subtraction at `WORK_WIDTH_PX`."""

    def __init__(self) -> None:
        self._model = new_model()
        self._frames = 0
        self._media_s = 0.0

    @property
    def ready(self) -> bool:
        return self._frames >= LEARN_FRAMES

    def forget(self) -> None:
        self._model = new_model()
        self._frames = 0

    def detect(self, frame: Frame, expected: Boxes) -> Detections:
        picture = work_picture(frame)
        scale = frame.width / picture.shape[1]
        mask = self._foreground(picture, frame.media_s)
        if np.count_nonzero(mask) > MOST_FOREGROUND * mask.size:
            self.forget()
            return Detections.none()
        boxes = people_in(find_blobs(mask), [as_rectangle(box / scale) for box in expected])
        return Detections.sure([scaled(box, scale) for box in boxes])

    def _foreground(self, picture: NDArray[np.uint8], media_s: float) -> NDArray[np.uint8]:
        passed_s = min(max(media_s - self._media_s, 0.0), 1.0)
        self._media_s = media_s
        self._frames += 1
        rate = max(1 - math.exp(-passed_s / MEMORY_S), 1 / (2 * self._frames))
        mask = self._model.apply(picture, learningRate=rate)
        body = np.asarray(mask == FOREGROUND, np.uint8)
        if np.count_nonzero(body) > LIGHT_SHARE * body.size:
            body[is_light(picture, np.asarray(self._model.getBackgroundImage(), np.uint8))] = 0
        body = np.asarray(cv2.morphologyEx(body, cv2.MORPH_OPEN, OPEN_KERNEL), np.uint8)
        return np.asarray(cv2.morphologyEx(body, cv2.MORPH_CLOSE, CLOSE_KERNEL), np.uint8)


def is_light(picture: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(height, width): where the ground is lit more than before rather than hidden by somebody.

    A headlight brightens an area larger than a person, and within it keeps the ground's own
    pattern: divided by the background, neighbouring pixels agree. Who walks in the beam doesn't.
    """
    now, before = (brightness(each) + 1 for each in (picture, background))
    wide, near = (round(share * now.shape[1]) | 1 for share in (LIT_AREA, LIT_NEAR))
    lit = cv2.blur(now, (wide, wide)) / cv2.blur(before, (wide, wide)) > LIT_AREA_GAIN
    gain = cv2.blur(now, (near, near)) / cv2.blur(before, (near, near))
    off = np.abs(now - before * gain) / (before * gain)
    return np.asarray(lit & (gain > LIT_GAIN) & (off < LIT_SPREAD), np.bool_)


def brightness(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey, np.float32)


OPEN_KERNEL = np.ones((2, 2), np.uint8)
# Taller than wide: joins legs, trunk and head without joining neighbours.
CLOSE_KERNEL = np.ones((7, 3), np.uint8)


def new_model() -> cv2.BackgroundSubtractorMOG2:
    model = cv2.createBackgroundSubtractorMOG2(varThreshold=VAR_THRESHOLD, detectShadows=True)
    model.setShadowThreshold(SHADOW_DARKEST)
    return model


def work_picture(frame: Frame) -> NDArray[np.uint8]:
    """The frame at work size: BGR where there is colour, else grey; slightly blurred."""
    width = min(WORK_WIDTH_PX, frame.width)
    size = (width, round(frame.height * width / frame.width))
    if frame.format is PixelFormat.GREY:
        small = resized(frame.grey, size)
    else:
        half_w, half_h = frame.width // 2, frame.height // 2
        planes = frame.pixels[frame.height :].reshape(2, half_h, half_w)
        yuv = [resized(plane, size) for plane in (frame.grey, planes[0], planes[1])]
        small = np.asarray(cv2.cvtColor(cv2.merge(yuv), cv2.COLOR_YUV2BGR), np.uint8)
    return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.uint8)


def resized(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_blobs(mask: NDArray[np.uint8]) -> list[Blob]:
    """Connected foreground, with its own mask."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    blobs = []
    for label in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= LEAST_FRAGMENT_PX2)[1:]:
        x, y, w, h, area = (int(value) for value in stats[label])
        blobs.append(Blob((x, y, x + w, y + h), area, labels[y : y + h, x : x + w] == label))
    # Snow or a torn picture gives thousands of specks; the largest hold the people.
    blobs.sort(key=lambda blob: -blob.area_px2)
    return blobs[:MOST_BLOBS]


def as_rectangle(box: NDArray[np.float32]) -> Rectangle:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right, bottom


def scaled(box: Rectangle, scale: float) -> Rectangle:
    left, top, right, bottom = box
    return left * scale, top * scale, right * scale, bottom * scale
