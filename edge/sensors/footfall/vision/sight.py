"""Whether the camera sees what it should: too dark, covered, frozen or moved is never a zero."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.reports import SightState
from edge.sensors.footfall.vision.view import View

GLANCE_PX = (64, 48)
# Mean luma below which a small camera's picture is mostly its own noise.
DARK_LUMA = 14.0
# Spread of the smoothed picture: a lens cap, a bag or a sprayed dome leaves next to nothing.
FLAT_SD = 4.0
# A sensor has noise: the very same picture again and again is a stuck decoder or driver.
FROZEN_S = 5.0
# Good or bad must last this long before the state changes: a bus that passes isn't a cover.
SETTLE_S = 2.0


class Sight:
    """Follows the picture's health from frame to frame."""

    def __init__(self) -> None:
        self.state = SightState.SEEING
        self.luma = 0.0
        self._candidate = SightState.SEEING
        self._candidate_since_s = 0.0
        self._last: NDArray[np.uint8] | None = None
        self._same_since_s = 0.0
        self._view = View()

    def look(self, frame: Frame) -> SightState:
        """The state after this frame. Darkness and covers count from their first frame on only
        once they have lasted `SETTLE_S`; the first frame of all is believed at once."""
        first = self._last is None
        judged = self._judge(frame)
        if judged is not self._candidate:
            self._candidate, self._candidate_since_s = judged, frame.media_s
        if first or frame.media_s - self._candidate_since_s >= SETTLE_S:
            self.state = self._candidate
        return self.state

    def _judge(self, frame: Frame) -> SightState:
        blind = self._blindness(frame)
        if blind is not None:
            self._view.interrupt()
            return blind
        return SightState.MOVED if self._view.look(frame) else SightState.SEEING

    def _blindness(self, frame: Frame) -> SightState | None:
        glance = np.asarray(
            cv2.resize(frame.grey, GLANCE_PX, interpolation=cv2.INTER_AREA), np.uint8
        )
        self.luma = float(glance.mean())
        frozen = self._is_frozen(frame)
        if self.luma < DARK_LUMA:  # first: a black picture has no noise left to tell it by
            return SightState.DARK
        if frozen:
            return SightState.FROZEN
        if float(glance.std()) < FLAT_SD:
            return SightState.COVERED
        return None

    def _is_frozen(self, frame: Frame) -> bool:
        sample = frame.grey[::4, ::4].copy()
        same = self._last is not None and np.array_equal(sample, self._last)
        self._last = sample
        if not same:
            self._same_since_s = frame.media_s
        return frame.media_s - self._same_since_s >= FROZEN_S
