"""Following people from frame to frame: motion prediction and association in two passes.

The idea of ByteTrack (Zhang et al., 2022): sure detections are matched first, then unsure ones
may keep an existing track alive, but never start one. Ids stay in memory and begin anew with the
tracker.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge.sensors.footfall.vision.detector import Boxes, Detections
from edge.sensors.footfall.vision.motion import Axis

SURE = 0.5
UNSURE = 0.15
# An unsure detection may be half a body or a sign post: it must fit a track well, and soon.
LEAST_UNSURE_IOU = 0.3
LONGEST_UNSURE_S = 0.6
# A detection that covers somebody who is seen already by this much is a double, not a new person.
DOUBLE_IOU = 0.5
CONFIRM_HITS = 3
# A person hidden for longer than this begins a new track.
LONGEST_HIDDEN_S = 1.6
# In body heights: 0.75 per second is a walk, and nobody turns faster than this.
FASTEST = 2.2
TURN = 1.0
FOOT_SD = 0.06
START_SPEED_SD = 0.9
# How far from its prediction a person may be, in body heights, and how that grows while hidden.
GATE = 0.45
GATE_PER_HIDDEN_S = 0.5
SIZE_GAIN = 0.25
IMPOSSIBLE = 1e6


@dataclass
class Track:
    """One person on the way: foot point, size, and how well it has been seen."""

    id: int
    x: Axis
    y: Axis
    width: float
    height: float
    hits: int = 1
    hidden_s: float = 0.0
    jitter_px: float = 2.0

    @property
    def confirmed(self) -> bool:
        return self.hits >= CONFIRM_HITS

    @property
    def box(self) -> tuple[float, float, float, float]:
        x, y = self.x.position, self.y.position
        return x - self.width / 2, y - self.height, x + self.width / 2, y

    @property
    def foot(self) -> tuple[float, float]:
        return self.x.position, self.y.position

    def predict(self, dt_s: float) -> None:
        for axis in (self.x, self.y):
            axis.predict(dt_s, TURN * self.height)

    def correct(self, box: NDArray[np.float32]) -> None:
        left, top, right, bottom = (float(value) for value in box)
        sd = FOOT_SD * self.height
        off_x = self.x.correct((left + right) / 2, sd)
        off_y = self.y.correct(bottom, sd)
        fastest = FASTEST * self.height
        for axis in (self.x, self.y):
            axis.velocity = min(max(axis.velocity, -fastest), fastest)
        # Mean absolute innovation, kept as a running standard deviation (x 1.25 for a Gaussian).
        off = 1.25 * (abs(off_x) + abs(off_y)) / 2
        self.jitter_px += 0.1 * (off - self.jitter_px)
        self.width += SIZE_GAIN * (right - left - self.width)
        self.height += SIZE_GAIN * (bottom - top - self.height)
        self.hits += 1
        self.hidden_s = 0.0


class Tracker:
    """Tracks of everybody in view."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._next_id = 1

    @property
    def ids(self) -> set[int]:
        """Who is being followed, hidden ones included."""
        return {track.id for track in self._tracks}

    def forget(self) -> None:
        """Drop all tracks: the view was interrupted."""
        self._tracks.clear()

    def predict(self, dt_s: float) -> Boxes:
        """Move every track on by `dt_s`; returns (n, 4) boxes of awaited people."""
        for track in self._tracks:
            track.predict(dt_s)
            track.hidden_s += dt_s
        boxes = [track.box for track in self._tracks if track.confirmed]
        return np.array(boxes, np.float32).reshape(-1, 4)

    def update(self, detections: Detections) -> list[Track]:
        """Take in a frame's detections after `predict`; returns the tracks seen in it."""
        sure = np.flatnonzero(detections.scores >= SURE)
        unsure = np.flatnonzero((detections.scores >= UNSURE) & (detections.scores < SURE))
        boxes = detections.boxes
        seen, waiting, unmatched = self._match(self._tracks, boxes, sure)
        lately = [track for track in waiting if track.hidden_s <= LONGEST_UNSURE_S]
        again, _, _ = self._match(lately, boxes, unsure, LEAST_UNSURE_IOU)
        seen += again
        hidden = [track for track in waiting if track not in again and keeps(track)]
        new = [self._start(boxes[index]) for index in unmatched if not doubles(boxes[index], seen)]
        self._tracks = seen + hidden + new
        if not self._tracks:
            self._next_id = 1  # nothing ties one hour's people to the next
        return seen

    def _match(
        self,
        tracks: list[Track],
        boxes: Boxes,
        candidates: NDArray[np.intp],
        least_iou: float = 0.0,
    ) -> tuple[list[Track], list[Track], list[int]]:
        """Correct tracks by the detections that suit them best.

        Returns the tracks that were seen, those that weren't, and detections nobody claimed.
        """
        costs = association_costs(tracks, boxes[candidates], least_iou)
        rows, columns = linear_sum_assignment(costs)
        pairs = {
            int(row): int(column)
            for row, column in zip(rows, columns, strict=True)
            if costs[row, column] < IMPOSSIBLE
        }
        for row, column in pairs.items():
            tracks[row].correct(boxes[candidates[column]])
        seen = [tracks[row] for row in pairs]
        hidden = [track for row, track in enumerate(tracks) if row not in pairs]
        claimed = set(pairs.values())
        free = [int(c) for column, c in enumerate(candidates) if column not in claimed]
        return seen, hidden, free

    def _start(self, box: NDArray[np.float32]) -> Track:
        left, top, right, bottom = (float(value) for value in box)
        tall = max(bottom - top, 1.0)
        noise, speed = (FOOT_SD * tall) ** 2, (START_SPEED_SD * tall) ** 2
        x = Axis((left + right) / 2, p_xx=noise, p_vv=speed)
        y = Axis(bottom, p_xx=noise, p_vv=speed)
        track = Track(self._next_id, x, y, max(right - left, 1.0), tall)
        self._next_id += 1
        return track


def keeps(track: Track) -> bool:
    """Whether a track that wasn't seen is worth waiting for."""
    longest_s = LONGEST_HIDDEN_S if track.confirmed else LONGEST_HIDDEN_S / 4
    return track.hidden_s <= longest_s


def doubles(box: NDArray[np.float32], seen: list[Track]) -> bool:
    """Whether a detection nobody claimed is a second box around somebody already seen."""
    return any(overlaps(track.box, box[None])[0] > DOUBLE_IOU for track in seen)


def association_costs(
    tracks: list[Track], boxes: Boxes, least_iou: float = 0.0
) -> NDArray[np.float64]:
    """(tracks, detections): 0 for a perfect fit to 2, `IMPOSSIBLE` beyond the gate.

    Half is the distance of the foot points in body heights over the gate, half is 1 - overlap.
    """
    costs = np.full((len(tracks), len(boxes)), IMPOSSIBLE)
    for row, track in enumerate(tracks):
        dx = (boxes[:, 0] + boxes[:, 2]) / 2 - track.x.position
        dy = boxes[:, 3] - track.y.position
        gate = (GATE + GATE_PER_HIDDEN_S * track.hidden_s) * track.height
        far = np.hypot(dx, dy) / gate
        ratio = (boxes[:, 3] - boxes[:, 1]) / track.height
        overlap = overlaps(track.box, boxes)
        fits = (far < 1) & (ratio > 0.45) & (ratio < 2.2) & (overlap >= least_iou)
        cost = far + (1 - overlap) + 0.5 * np.abs(np.log(np.maximum(ratio, 0.01)))
        costs[row, fits] = cost[fits]
    return costs


def overlaps(box: tuple[float, float, float, float], boxes: Boxes) -> NDArray[np.float64]:
    """Intersection over union of one box with (n, 4) others."""
    wide = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    tall = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    common = np.maximum(wide, 0) * np.maximum(tall, 0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    own = (box[2] - box[0]) * (box[3] - box[1])
    return np.asarray(common / np.maximum(own + areas - common, 1e-6), np.float64)
