"""Occupancy of the zone: how many foot points are inside, frame by frame."""

from edge.sensors.footfall.geometry import Zone
from edge.sensors.footfall.vision.tracker import Track


class ZoneCounter:
    """Foot points inside a polygon, added up over frames until the next `take`."""

    def __init__(self, zone: Zone | None) -> None:
        self._zone = zone
        self._sum = 0

    def update(self, seen: list[Track]) -> None:
        if self._zone:
            points = self._zone.points
            self._sum += sum(track.confirmed and inside(points, *track.foot) for track in seen)

    def take(self) -> int:
        total, self._sum = self._sum, 0
        return total


def inside(points: tuple[tuple[float, float], ...], x: float, y: float) -> bool:
    """Whether a point is in a polygon, by the even-odd rule."""
    result = False
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            result = not result
    return result
