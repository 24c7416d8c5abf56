"""Counting a line: one count for each change of side, whatever the foot point does in between.

A track belongs to the side where it was last seen clearly, that is further from the line than
the dead band; only on the other side's far edge does it count, if its way led through the
segment. Who stands on the line trembles inside the band and is counted once, when leaving it.
"""

from dataclasses import dataclass

from edge.sensors.footfall.geometry import Line
from edge.sensors.footfall.vision.tracker import Track

# Dead band as a multiple of the measured jitter (2 standard deviations), within these shares of
# the body height: wider loses people near the picture's edge, narrower counts trembling.
BAND_JITTERS = 2.0
LEAST_BAND, MOST_BAND = 0.05, 0.2


@dataclass
class Standing:
    """Where a track was last seen clearly: the signed distance and the foot point."""

    distance: float
    foot: tuple[float, float]


class LineCounter:
    """Crossings of one line; `a_to_b` and `b_to_a` since the last `take`."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._standing: dict[int, Standing] = {}
        self._a_to_b = 0
        self._b_to_a = 0

    def update(self, seen: list[Track], alive: set[int]) -> None:
        """Look at the tracks seen in a frame; forget those no longer `alive`."""
        for track in seen:
            self._look_at(track)
        for gone in self._standing.keys() - alive:
            del self._standing[gone]

    def take(self) -> tuple[int, int]:
        """(a_to_b, b_to_a) since the last call."""
        counts = self._a_to_b, self._b_to_a
        self._a_to_b = self._b_to_a = 0
        return counts

    def _look_at(self, track: Track) -> None:
        foot = track.foot
        distance = self.line.distance(*foot)
        if abs(distance) <= band_px(track):
            return
        last = self._standing.get(track.id)
        if last is None or (last.distance > 0) == (distance > 0):
            self._standing[track.id] = Standing(distance, foot)
        elif track.confirmed:
            if self._through_segment(last, distance, foot, band_px(track)):
                self._count(a_to_b=last.distance > 0)
            self._standing[track.id] = Standing(distance, foot)

    def _through_segment(
        self, last: Standing, distance: float, foot: tuple[float, float], band: float
    ) -> bool:
        """Whether the way from `last` met the segment, give or take what the foot trembles."""
        part = last.distance / (last.distance - distance)
        x = last.foot[0] + part * (foot[0] - last.foot[0])
        y = last.foot[1] + part * (foot[1] - last.foot[1])
        slack = band / self.line.length
        return -slack <= self.line.along(x, y) <= 1 + slack

    def _count(self, *, a_to_b: bool) -> None:
        if a_to_b:
            self._a_to_b += 1
        else:
            self._b_to_a += 1


def band_px(track: Track) -> float:
    """Half width of the dead band for a track."""
    return min(
        max(BAND_JITTERS * track.jitter_px, LEAST_BAND * track.height), MOST_BAND * track.height
    )
