"""Where the sun stands, and how light a clear sky then is; for every sample, no dusk()/dawn().

Event functions (sunset, dusk) have no answer on bright summer nights and a wrong one near
midnight; an elevation always exists.
"""

import numpy as np
from numpy.typing import NDArray

NIGHT_DEG = -6.0
"""Below this (civil dusk) a street is dark without its lamps."""

_UNIX_JULIAN_DAY = 2_440_587.5
_J2000_JULIAN_DAY = 2_451_545.0
# Horizontal illuminance of a clear sky by elevation; Explanatory Supplement to the Astronomical
# Almanac, natural illuminance table. Moonlight is left out.
_TABLE_DEG = np.array([-18.0, -12.0, -6.0, -4.0, -2.0, 0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 90.0])
_TABLE_LX = np.array([6.5e-4, 8.3e-3, 3.4, 32.0, 190.0, 732.0, 2.0e3, 5.9e3, 1.31e4, 3.31e4, 9.0e4,
                      1.29e5])  # fmt: skip


def elevation_deg(
    t_s: NDArray[np.int64] | NDArray[np.float64], lat_deg: float, lon_deg: float
) -> NDArray[np.float64]:
    """Geometric elevation (deg) of the sun's centre at UTC seconds; any shape in, same shape out.

    Source: NOAA solar calculator (Meeus, Astronomical Algorithms, ch. 25), without refraction.
    Within 0.02 deg of astral from 1990 to 2060 at every latitude (tested).
    """
    century = (t_s / 86_400 + _UNIX_JULIAN_DAY - _J2000_JULIAN_DAY) / 36_525
    longitude = 280.46646 + century * (36_000.76983 + 0.0003032 * century)
    anomaly = np.radians(357.52911 + century * (35_999.05029 - 0.0001537 * century))
    orbit = 0.016708634 - century * (4.2037e-5 + 1.267e-7 * century)
    centre = (
        (1.914602 - century * (0.004817 + 1.4e-5 * century)) * np.sin(anomaly)
        + (0.019993 - 1.01e-4 * century) * np.sin(2 * anomaly)
        + 2.89e-4 * np.sin(3 * anomaly)
    )
    node = np.radians(125.04 - 1934.136 * century)
    apparent = np.radians(longitude + centre - 0.00569 - 0.00478 * np.sin(node))
    tilt = np.radians(23.4392911 - 0.0130042 * century + 0.00256 * np.cos(node))
    sine_declination = np.sin(tilt) * np.sin(apparent)
    equation_min = _equation_of_time_min(np.radians(longitude), anomaly, orbit, tilt)
    solar_min = (t_s % 86_400) / 60 + equation_min + 4 * lon_deg
    hour_angle = np.radians(solar_min / 4 - 180)
    lat = np.radians(lat_deg)
    cosine_declination = np.sqrt(1 - sine_declination**2)
    sine = np.sin(lat) * sine_declination + np.cos(lat) * cosine_declination * np.cos(hour_angle)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1, 1))))


def clear_sky_lx(elevation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Horizontal illuminance (lx) of a clear moonless sky at elevations in degrees."""
    return np.asarray(10 ** np.interp(elevation, _TABLE_DEG, np.log10(_TABLE_LX)))


def _equation_of_time_min(
    longitude: NDArray[np.float64],
    anomaly: NDArray[np.float64],
    orbit: NDArray[np.float64],
    tilt: NDArray[np.float64],
) -> NDArray[np.float64]:
    half = np.tan(tilt / 2) ** 2
    turn = (
        half * np.sin(2 * longitude)
        - 2 * orbit * np.sin(anomaly)
        + 4 * orbit * half * np.sin(anomaly) * np.cos(2 * longitude)
        - 0.5 * half**2 * np.sin(4 * longitude)
        - 1.25 * orbit**2 * np.sin(2 * anomaly)
    )
    return np.asarray(4 * np.degrees(turn))
