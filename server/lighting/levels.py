"""How bright a night was by quarter hours, and how much of the day's light the sensor sees."""

import numpy as np
from numpy.typing import NDArray

from server.lighting.night_grid import MINUTES, Lux, Mask, NightGrid

BIN_MIN = 15
BINS = MINUTES // BIN_MIN
_LEAST_PER_BIN = 5
_LEAST_DAY_MIN = 10
_FLOOR_LX = 0.02

Bins = NDArray[np.float32]
"""(nights, 96), natural logarithm of lx; NaN where it wasn't night or too little was measured."""


def bin_levels(lux: Lux, is_night: Mask) -> Bins:
    """Log of the median lux of each quarter hour of night."""
    known = is_night & np.isfinite(lux)
    sorted_lx = np.where(known, lux, np.inf).reshape(-1, BINS, BIN_MIN)
    sorted_lx.sort(axis=2)
    count = known.reshape(-1, BINS, BIN_MIN).sum(axis=2)
    middle = np.take_along_axis(sorted_lx, (count // 2).clip(0, BIN_MIN - 1)[..., None], axis=2)
    level = np.log(np.maximum(middle[..., 0], _FLOOR_LX))
    return np.where(count >= _LEAST_PER_BIN, level, np.nan).astype(np.float32)


def night_level_lx(bins: Bins) -> NDArray[np.float32]:
    """(nights,) the upper quartile of a night's quarter hours (lx): its level if it was lit."""
    filled = np.sort(np.where(np.isnan(bins), np.inf, bins), axis=1)
    count = np.isfinite(bins).sum(axis=1)
    at = (count * 3) // 4
    level = np.take_along_axis(filled, at.clip(0, BINS - 1)[:, None], axis=1)[:, 0]
    return np.where(count > 0, np.exp(np.where(count > 0, level, 0)), np.nan).astype(np.float32)


def day_gain_log(grid: NightGrid, lux: Lux) -> NDArray[np.float32]:
    """(nights,) log of lux over a clear sky's, at sun -0.5 to 1.5 deg: no shadows yet, lamps off.

    Moves with clouds (all neighbours alike) and with what is in front of this sensor alone.
    """
    out = np.full(grid.nights, np.nan, dtype=np.float32)
    low_sun = (grid.sun_deg > -0.5) & (grid.sun_deg < 1.5) & (lux > 0)
    night, minute = np.nonzero(low_sun)
    ratio = np.log(lux[night, minute] / grid.clear_lx[night, minute])
    ends = np.searchsorted(night, np.arange(grid.nights + 1))
    for one in np.flatnonzero(np.diff(ends) >= _LEAST_DAY_MIN):
        mine = np.sort(ratio[ends[one] : ends[one + 1]])
        out[one] = mine[mine.size // 2]
    return out
