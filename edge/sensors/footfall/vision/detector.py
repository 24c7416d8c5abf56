"""What finds people in a frame: the protocol that every detector follows."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame

Boxes = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detections:
    """People in one frame.

    Attributes:
        boxes: (n, 4) left, top, right, bottom in pixels of the frame.
        scores: (n,) 0 to 1; the tracker starts tracks from sure ones alone.
    """

    boxes: Boxes
    scores: NDArray[np.float32]

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32))

    @classmethod
    def sure(cls, boxes: list[tuple[float, float, float, float]]) -> Self:
        """Boxes without doubt."""
        array = np.array(boxes, np.float32).reshape(-1, 4)
        return cls(array, np.ones(len(array), np.float32))

    def within(self, width: int, height: int) -> Self:
        """The same boxes, cut at the picture's edge: who is half out stands on the last row."""
        boxes = self.boxes.copy()
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, width - 1)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, height - 1)
        return type(self)(boxes, self.scores)


class Detector(Protocol):
    """Finds people. Frames come in order; a detector may learn from them."""

    def detect(self, frame: Frame, expected: Boxes) -> Detections:
        """People in `frame`; `expected` (m, 4) is where the tracker awaits those it knows."""

    def forget(self) -> None:
        """The view has changed (covered, moved, dark): drop what was learned."""

    @property
    def ready(self) -> bool:
        """Whether it has seen enough to be believed."""
