"""Illuminance at a node through day and night: sky, street lamp, headlights. Functions of UTC.

Deterministic: the same seed and time give the same light.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from astral import Observer
from astral.sun import elevation

# Illuminance of a clear sky with the sun (lx) by the sun's elevation (degrees): RCA
# Electro-Optics Handbook (1974), natural illuminance on the earth. Between them log-linear.
_SKY_DEG = (-18, -12, -6, -5, -0.8, 0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
_SKY_LX = (
    6.51e-4, 8.31e-3, 3.40, 10.8, 453, 732, 4.76e3, 1.09e4, 1.86e4, 2.73e4, 3.67e4, 4.70e4,
    6.67e4, 8.50e4, 1.02e5, 1.13e5, 1.20e5, 1.24e5,
)  # fmt: skip
_SKY_LOG_LX = np.log10(_SKY_LX)

# Photocells switch on at 35 lx at dusk and off at 18 lx at dawn; one threshold keeps the profile
# a function of time alone.
PHOTOCELL_LX = 35.0

_CLOUD_SPAN_S = 600.0
_HEADLIGHT_SPAN_S = 60.0


def sun_elevation_deg(utc_s: float, latitude_deg: float, longitude_deg: float) -> float:
    """The sun's elevation above the horizon, without refraction (astral, within 0.02 degrees)."""
    observer = Observer(latitude=latitude_deg, longitude=longitude_deg)
    moment = datetime.fromtimestamp(utc_s, UTC)
    return float(elevation(observer, moment, with_refraction=False))


def clear_sky_lux(elevation_deg: float) -> float:
    """Illuminance of a clear sky on the ground; starlight (0.0007 lx) from -18 degrees down."""
    return float(10 ** np.interp(elevation_deg, _SKY_DEG, _SKY_LOG_LX))


@dataclass(frozen=True, kw_only=True)
class StreetLightProfile:
    """Light at a pole: call it with UTC seconds to get lux.

    Args:
        latitude_deg: North.
        longitude_deg: East.
        lamp_lx: What the street lamp adds where the sensor hangs.
        lamp_works: False for a lamp that stays dark.
        seed: Which street: clouds, lamp noise and traffic.
        headlights_per_h: Headlights that sweep over the sensor in the dark.
    """

    latitude_deg: float
    longitude_deg: float
    lamp_lx: float = 12.0
    lamp_works: bool = True
    seed: int = 1
    headlights_per_h: float = 40.0

    def __call__(self, utc_s: float) -> float:
        """Illuminance in lux."""
        sky_lx = self.sky_lux(utc_s)
        return sky_lx + self._lamp_lux(utc_s, sky_lx) + self._headlight_lux(utc_s, sky_lx)

    def sky_lux(self, utc_s: float) -> float:
        """Daylight under passing clouds, or starlight."""
        above_deg = sun_elevation_deg(utc_s, self.latitude_deg, self.longitude_deg)
        return clear_sky_lux(above_deg) * self._cloud_share(utc_s)

    def lamp_on(self, utc_s: float) -> bool:
        """Whether the lamp burns: it works and the photocell sees dusk."""
        return self._lamp_lux(utc_s, self.sky_lux(utc_s)) > 0

    def _lamp_lux(self, utc_s: float, sky_lx: float) -> float:
        if not self.lamp_works or sky_lx >= PHOTOCELL_LX:
            return 0.0
        wobble = self._random(1, int(utc_s)) - 0.5
        return self.lamp_lx * (1 + 0.02 * wobble)

    def _cloud_share(self, utc_s: float) -> float:
        """Share of daylight that comes through, 0.3 to 1, drifting over ten minutes."""
        span, within = divmod(utc_s / _CLOUD_SPAN_S, 1.0)
        before, after = self._random(2, int(span)), self._random(2, int(span) + 1)
        return 0.3 + 0.7 * (before + (after - before) * within)

    def _headlight_lux(self, utc_s: float, sky_lx: float) -> float:
        """At most one car a minute, lighting the sensor for about two seconds."""
        span = int(utc_s // _HEADLIGHT_SPAN_S)
        if sky_lx >= PHOTOCELL_LX or self._random(3, span) >= self.headlights_per_h / 60:
            return 0.0
        middle_s = (span + 0.1 + 0.8 * self._random(4, span)) * _HEADLIGHT_SPAN_S
        peak_lx = 5 + 35 * self._random(5, span)
        return peak_lx * math.exp(-0.5 * ((utc_s - middle_s) / 0.7) ** 2)

    def _random(self, stream: int, index: int) -> float:
        """0 to 1, always the same for the same street, stream and index."""
        mixed = (index * 0x9E3779B97F4A7C15 + stream * 0xBF58476D1CE4E5B9 + self.seed) % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        return float((mixed ^ mixed >> 31) / 2**64)
