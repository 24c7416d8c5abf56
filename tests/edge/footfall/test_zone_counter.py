"""Occupancy of the zone."""

import pytest

from edge.sensors.footfall.geometry import Zone
from edge.sensors.footfall.vision.motion import Axis
from edge.sensors.footfall.vision.tracker import Track
from edge.sensors.footfall.vision.zone_counter import ZoneCounter, inside

ELL = ((0.0, 0.0), (100.0, 0.0), (100.0, 40.0), (40.0, 40.0), (40.0, 100.0), (0.0, 100.0))


@pytest.mark.parametrize(
    ("x", "y", "is_in"),
    [(10, 10, True), (90, 20, True), (20, 90, True), (90, 90, False), (-1, 10, False)],
)
def test_a_point_is_inside_or_not(x: float, y: float, is_in: bool) -> None:
    assert inside(ELL, x, y) is is_in


def test_confirmed_people_inside_add_up_over_frames() -> None:
    zone = ZoneCounter(Zone(ELL))
    inside_, outside = (Track(n, Axis(x), Axis(20), 10, 40, hits=5) for n, x in ((1, 20), (2, 150)))
    new = Track(3, Axis(30), Axis(20), 10, 40, hits=1)
    for _ in range(4):
        zone.update([inside_, outside, new])
    assert zone.take() == 4
    assert zone.take() == 0
