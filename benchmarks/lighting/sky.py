"""The sky over a site, minute by minute: sun, moon, daylight, clouds, the glow of the town.

Formulas: The Astronomical Almanac's low-precision sun (0.01 deg from 1950 to 2050); ground
illumination by elevation from the Explanatory Supplement (Seidelmann), table of natural light.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Series = NDArray[np.float64]

MINUTES_A_DAY = 1440
_J2000_UTC_S = 946_728_000.0  # 2000-01-01 12:00 UTC
# Horizontal illuminance under a clear moonless sky (lx) by the sun's elevation (deg).
_ELEVATION_DEG = np.array([-90, -18, -15, -12, -9, -6, -4, -2, -0.8, 0, 2, 5, 10, 20, 40, 60, 90.0])
_CLEAR_LX = np.array([5e-4, 6.5e-4, 1.5e-3, 8.3e-3, 0.17, 3.4, 32, 190, 453, 732, 2000, 5900, 13100,
                      33100, 74000, 105000, 129000.0])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sky:
    """What reaches an open horizontal surface at a site; all arrays are (minutes,)."""

    t_s: NDArray[np.int64]
    sun_deg: Series
    daylight_lx: Series
    """Sun and sky through the clouds."""
    direct_share: Series
    """Share of daylight that comes straight from the sun and throws shadows."""
    night_lx: Series
    """Moon and town glow."""
    evening: NDArray[np.bool_]
    """From solar noon to solar midnight."""


def sun_elevation_deg(t_s: NDArray[np.int64], lat_deg: float, lon_deg: float) -> Series:
    """Geometric elevation of the sun's centre (deg) at UTC seconds, by the Almanac."""
    n_days, right_ascension, declination = _sun(t_s)
    hour_angle = _sidereal_rad(n_days, lon_deg) - right_ascension
    return _elevation_deg(lat_deg, declination, hour_angle)


def make_sky(
    rng: np.random.Generator, t_s: NDArray[np.int64], lat_deg: float, lon_deg: float
) -> Sky:
    """One site's sky over the given minutes."""
    sun_deg = sun_elevation_deg(t_s, lat_deg, lon_deg)
    clear_lx = 10 ** np.interp(sun_deg, _ELEVATION_DEG, np.log10(_CLEAR_LX))
    cover = _cloud_cover(rng, t_s.size)
    passing = _wander(rng, t_s.size, tau_min=5.0) * 0.35 * np.sin(np.pi * np.clip(cover, 0, 1))
    # Twilight comes from the whole sky and is smooth.
    passing *= 0.2 + 0.8 * np.clip((sun_deg - 1) / 6, 0, 1)
    through = np.exp(-1.9 * cover + passing) * _storms(rng, t_s.size)
    direct = np.clip(0.75 * (1 - 1.3 * cover), 0, 1) * np.clip((sun_deg - 1) / 6, 0, 1)
    glow_lx = rng.uniform(0.03, 0.6) * (1 + 2 * cover)
    solar_minute = (t_s / 60 + lon_deg * 4) % MINUTES_A_DAY
    return Sky(
        t_s=t_s,
        sun_deg=sun_deg,
        daylight_lx=clear_lx * np.clip(through, 0.01, 1.25),
        direct_share=direct,
        night_lx=glow_lx + _moon_lx(t_s, lat_deg, lon_deg) * np.exp(-1.9 * cover),
        evening=solar_minute >= MINUTES_A_DAY / 2,
    )


def _sun(t_s: NDArray[np.int64]) -> tuple[Series, Series, Series]:
    n_days = (t_s - _J2000_UTC_S) / 86_400
    anomaly = np.radians((357.528 + 0.9856003 * n_days) % 360)
    longitude = np.radians(
        (280.460 + 0.9856474 * n_days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)) % 360
    )
    obliquity = np.radians(23.439 - 4e-7 * n_days)
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    return n_days, right_ascension, np.arcsin(np.sin(obliquity) * np.sin(longitude))


def _sidereal_rad(n_days: Series, lon_deg: float) -> Series:
    return np.radians((280.46062 + 360.98564737 * n_days + lon_deg) % 360)


def _elevation_deg(lat_deg: float, declination: Series, hour_angle: Series) -> Series:
    lat = np.radians(lat_deg)
    sine = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(
        hour_angle
    )
    return np.asarray(np.degrees(np.arcsin(sine)))


def _moon_lx(t_s: NDArray[np.int64], lat_deg: float, lon_deg: float) -> Series:
    """Moonlight (lx): 0.26 lx at a full moon in the zenith; the orbit is taken as a circle."""
    n_days = (t_s - _J2000_UTC_S) / 86_400
    longitude = np.radians((218.32 + 13.176396 * n_days) % 360)
    sun_longitude = np.radians((280.460 + 0.9856474 * n_days) % 360)
    lit = (1 - np.cos(longitude - sun_longitude)) / 2
    obliquity = np.radians(23.44)
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    hour_angle = _sidereal_rad(n_days, lon_deg) - right_ascension
    sine = np.sin(np.radians(_elevation_deg(lat_deg, declination, hour_angle)))
    return np.asarray(0.26 * lit**3 * np.clip(sine, 0, 1))


def _wander(rng: np.random.Generator, n: int, *, tau_min: float) -> Series:
    """An Ornstein-Uhlenbeck walk of unit variance that forgets within `tau_min` minutes."""
    keep = np.exp(-1 / tau_min)
    steps = rng.standard_normal(n) * np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], steps))


def _cloud_cover(rng: np.random.Generator, n: int) -> Series:
    """0 clear to 1 overcast; weather that lasts for hours to days."""
    weather = 0.8 * _wander(rng, n, tau_min=1800.0) + 0.6 * _wander(rng, n, tau_min=240.0)
    return np.asarray(1 / (1 + np.exp(-3 * (weather + rng.uniform(-0.4, 0.4)))))


def _storms(rng: np.random.Generator, n: int) -> Series:
    """Factor on daylight: a few times a year a black cloud takes up to 95 % for an hour."""
    factor = np.ones(n)
    for start in rng.integers(0, n, rng.poisson(4 * n / (365 * MINUTES_A_DAY))):
        length = int(rng.integers(30, 90))
        shape = 1 - rng.uniform(0.6, 0.95) * np.sin(np.pi * np.arange(length) / length)
        piece = factor[start : start + length]
        piece *= shape[: piece.size]
    return factor
