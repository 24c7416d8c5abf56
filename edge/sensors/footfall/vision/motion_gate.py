"""A gate before a costly detector: an empty square costs a glance, not a network's forward pass.

The detector runs when something changed, while anybody is followed, and once a second anyway, so
that who stood still from the start is found too.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.vision.detector import Boxes, Detections, Detector

GLANCE_PX = (160, 120)
# Change of one glance pixel that is more than noise and cloud, and how many such make a reason:
# a person of 20 px in a 480 px picture covers about this much.
CHANGE = 14
LEAST_CHANGED_PX = 6
LOOK_ANYWAY_S = 1.0
# After the last reason the detector stays on, so that a new person is confirmed in one go.
LINGER_S = 1.0
# How quickly the picture of the empty square follows the light.
MEMORY_SHARE = 0.05


class MotionGate:
    """A detector that rests while nothing moves."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._empty: NDArray[np.float32] | None = None
        self._reason_s = float("-inf")
        self._looked_s = float("-inf")

    @property
    def ready(self) -> bool:
        return self._detector.ready

    def forget(self) -> None:
        self._empty = None
        self._detector.forget()

    def detect(self, frame: Frame, expected: Boxes) -> Detections:
        if self._moved(frame) or len(expected):
            self._reason_s = frame.media_s
        quiet = frame.media_s - self._reason_s > LINGER_S
        if quiet and frame.media_s - self._looked_s < LOOK_ANYWAY_S:
            return Detections.none()
        self._looked_s = frame.media_s
        found = self._detector.detect(frame, expected)
        if len(found.scores):
            self._reason_s = frame.media_s
        return found

    def _moved(self, frame: Frame) -> bool:
        glance = np.asarray(
            cv2.resize(frame.grey, GLANCE_PX, interpolation=cv2.INTER_AREA), np.float32
        )
        if self._empty is None:
            self._empty = glance
            return True
        off = glance - self._empty
        # The whole picture grows brighter or darker together: that is light, not a person.
        off -= float(np.median(off))
        self._empty += MEMORY_SHARE * off
        return int(np.count_nonzero(np.abs(off) > CHANGE)) >= LEAST_CHANGED_PX
