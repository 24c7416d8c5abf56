"""What else lights or darkens a sensor on a pole: the reasons why a naive detector cries wolf.

Each function draws one confounder for one node (or site) and returns it minute by minute; light is
added in lx, factors multiply. Which ones a node got is kept, so that results can be split by them.
"""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from benchmarks.lighting.lamps import local_hour
from benchmarks.lighting.sky import MINUTES_A_DAY, Sky

Series = NDArray[np.float64]


def headlights_lx(rng: np.random.Generator, sky: Sky) -> Series:
    """Cars: minutes whose median is lifted, and now and then one that stands with its lights on."""
    n = sky.t_s.size
    busy = rng.uniform(0.002, 0.03)
    light = np.where(rng.random(n) < busy, rng.exponential(6.0, n), 0.0)
    for start in rng.integers(0, n, rng.poisson(0.15 * n / MINUTES_A_DAY)):
        light[start : start + int(rng.integers(4, 40))] += rng.uniform(1, 15)
    return np.where(sky.sun_deg < 3, light, 0.0)


def shop_window_lx(rng: np.random.Generator, sky: Sky, lon_deg: float, full_lx: float) -> Series:
    """A window lit from afternoon to closing time, closed on Sundays."""
    hour = local_hour(sky.t_s, lon_deg, summer_time=True)
    closes = rng.choice([19.0, 20.0, 21.5, 22.0, 23.0]) + rng.normal(0, 0.05)
    sunday = ((sky.t_s // 86_400 + 4) % 7) == 0
    return np.where((hour > 16) & (hour < closes) & ~sunday, rng.uniform(0.05, 0.4) * full_lx, 0.0)


def fireworks_lx(rng: np.random.Generator, sky: Sky, lon_deg: float) -> Series:
    """New Year's Eve and one summer feast: an hour of flashes."""
    light = np.zeros(sky.t_s.size)
    hour = local_hour(sky.t_s, lon_deg, summer_time=True)
    feast = int(rng.integers(150, 250))
    days = np.array([datetime.fromtimestamp(int(s), UTC).timetuple().tm_yday
                     for s in sky.t_s[:: MINUTES_A_DAY]])  # fmt: skip
    day = np.repeat(days, MINUTES_A_DAY)[: light.size]
    new_year = ((day >= 365) & (hour > 23.6)) | ((day == 1) & (hour < 0.9))
    summer = (day == feast) & (hour > 22.3) & (hour < 23.1)
    burning = new_year | summer
    light[burning] = rng.exponential(5.0, int(burning.sum()))
    return light


def snow(rng: np.random.Generator, sky: Sky, lat_deg: float) -> tuple[Series, Series]:
    """Factors (ground, dome): white ground sends light back; wet snow covers the dome for hours."""
    ground, dome = np.ones(sky.t_s.size), np.ones(sky.t_s.size)
    if abs(lat_deg) < 40:
        return ground, dome
    noon_deg = _daily_max(sky.sun_deg)
    for start in range(0, ground.size, MINUTES_A_DAY):
        winter = noon_deg[start // MINUTES_A_DAY] < 90 - abs(lat_deg) - 10
        if winter and rng.random() < 0.03:
            at = start + int(rng.integers(0, MINUTES_A_DAY))
            days = rng.uniform(1, 12)
            length = int(days * MINUTES_A_DAY)
            back = 1 + rng.uniform(0.1, 0.5) * np.linspace(1, 0.2, length)
            piece = ground[at : at + length]
            np.maximum(piece, back[: piece.size], out=piece)
            if rng.random() < 0.4:
                _cover_dome(rng, dome, at)
    return ground, dome


def _cover_dome(rng: np.random.Generator, dome: Series, at: int) -> None:
    falls, stays, melts = (int(rng.integers(*span)) for span in ((40, 120), (30, 400), (20, 90)))
    least = rng.uniform(0.4, 0.9)
    shape = np.concatenate(
        [np.linspace(1, least, falls), np.full(stays, least), np.linspace(least, 1, melts)]
    )
    piece = dome[at : at + shape.size]
    piece *= shape[: piece.size]


def _daily_max(values: Series) -> Series:
    days = -(-values.size // MINUTES_A_DAY)
    padded = np.full(days * MINUTES_A_DAY, -90.0)
    padded[: values.size] = values
    return np.asarray(padded.reshape(days, MINUTES_A_DAY).max(axis=1))


def foliage(rng: np.random.Generator, sky: Sky, lat_deg: float) -> tuple[Series, Series]:
    """Factors (lamp, daylight) of a tree that is green from spring to autumn."""
    day = (sky.t_s / 86_400 - 10_957) % 365.25
    if lat_deg < 0:
        day = (day + 182) % 365.25
    leaf = 1 / (1 + np.exp(-(day - 120) / 6)) - 1 / (1 + np.exp(-(day - 300) / 7))
    return 1 - rng.uniform(0.03, 0.14) * leaf, 1 - rng.uniform(0.1, 0.5) * leaf


def dirt(rng: np.random.Generator, sky: Sky) -> Series:
    """Factor on all that the sensor sees: a dome that gets dirty and is cleaned, or isn't."""
    n = sky.t_s.size
    yearly = rng.uniform(0.1, 0.45)
    age = np.arange(n) / (365 * MINUTES_A_DAY)
    factor = np.exp(-yearly * age)
    if rng.random() < 0.5:
        cleaned = int(rng.integers(n // 4, n))
        factor[cleaned:] /= factor[cleaned]
    return np.asarray(factor)


def shadows(rng: np.random.Generator, sky: Sky) -> Series:
    """Share of the direct sun that reaches the pole: houses stand in its way at some hours."""
    hour = (sky.t_s / 3600) % 24
    open_sky = np.ones(sky.t_s.size)
    for _ in range(int(rng.integers(1, 4))):
        begin, width = rng.uniform(0, 24), rng.uniform(0.5, 4)
        open_sky[((hour - begin) % 24) < width] = 0.05
    return open_sky
