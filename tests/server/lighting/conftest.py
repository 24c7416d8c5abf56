"""A street of plain lamps: sky by the sun, lamps on under -4 deg, faults painted in by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from server.lighting.diagnosis import Samples
from server.lighting.sun import clear_sky_lx, elevation_deg

BERLIN = (52.5, 13.4)
# 2025-01-10 11:00 UTC.
START_S = 1_736_506_800
DAY_MIN = 1440

Lit = NDArray[np.float64]


class Street:
    """Builds samples; `lit` is the share of its 20 lx that a lamp gives, minute by minute."""

    def __init__(self, n_days: int, place: tuple[float, float] = BERLIN) -> None:
        self.place = place
        self.t_s = START_S + 60 * np.arange(n_days * DAY_MIN, dtype=np.int64)
        self.sun_deg = elevation_deg(self.t_s, *place)
        self.daylight_lx = 0.2 * clear_sky_lx(self.sun_deg)

    def minute(self, day: int, hour: float = 0.0) -> int:
        """Index of a UTC time `hour` hours after the recording's start plus `day` days."""
        return day * DAY_MIN + round(hour * 60)

    def lit(self) -> Lit:
        return (self.sun_deg < -4).astype(np.float64)

    def samples(self, lit: Lit, *, full_lx: float = 20.0, seed: int = 1) -> Samples:
        noise = 1 + 0.01 * np.random.default_rng(seed).standard_normal(lit.size)
        lux = (self.daylight_lx + full_lx * lit + 0.2) * noise
        return Samples(t_s=self.t_s, lux=lux.astype(np.float32))


@pytest.fixture
def street() -> Callable[..., Street]:
    """Makes a street for so many days from 2025-01-10."""
    return Street
