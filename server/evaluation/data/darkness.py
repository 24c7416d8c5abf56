"""Dark and light hours of a site, from the sun and never from the clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from server.evaluation.linear import Array
from server.lighting.sun import NIGHT_DEG, elevation_deg

Mask = NDArray[np.bool_]
_STEPS = np.arange(0, 3601, 600.0)
# Above this the street gets its light from the sky, whatever its lamps do.
DAY_DEG = 0.0


def dark_and_light(hour: Array, latitude: float, longitude: float) -> tuple[Mask, Mask]:
    """(hours,) twice: sun below -6 deg for the whole hour, and above 0 deg for the whole hour.

    Hours of twilight are in neither: they would be dark in one month and light in the next.
    """
    sun = elevation_deg(hour[:, None] + _STEPS[None, :], latitude, longitude)
    return np.asarray((sun < NIGHT_DEG).all(axis=1)), np.asarray((sun > DAY_DEG).all(axis=1))


def local_parts(hour: Array, tz: str) -> tuple[Array, Array]:
    """Local day (days since 1970) and clock hour of each UTC second, DST included."""
    zone = ZoneInfo(tz)
    offset = _offsets(hour, zone)
    local = hour + offset
    return np.floor(local / 86_400), np.floor(local % 86_400 / 3600)


def night_of(hour: Array, tz: str) -> Array:
    """Local day on which the night began that an hour belongs to: from noon to noon."""
    return local_parts(hour - 12 * 3600, tz)[0]


def _offsets(hour: Array, zone: ZoneInfo) -> Array:
    """UTC offset in seconds; asked once a day and, where it changed, once an hour."""
    days = np.floor(hour / 86_400)
    found = np.empty(len(hour))
    for day in np.unique(days):
        ends = [_offset(86_400 * (day + k), zone) for k in (0, 1)]
        mine = days == day
        if ends[0] == ends[1]:
            found[mine] = ends[0]
        else:
            found[mine] = [_offset(t, zone) for t in hour[mine]]
    return found


def _offset(t: float, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(t, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()
