"""Sudden changes of light: a lamp switched on or off against a sky that changes smoothly.

A step is what is left after the sky's own trend (log-linear over the minutes before) is carried
on. The fast one looks over 2 minutes, the slow one over 9, for discharge lamps that run up.
"""

import numpy as np
from numpy.typing import NDArray

from server.lighting.night_grid import Lux, Mask

FAST_MIN = 2
SLOW_MIN = 9
_REST_MIN = 20
_REST_GAP_MIN = 3

Steps = NDArray[np.float32]
"""(nights, 1440) lx; what came (or went) around this minute; NaN where it can't be told."""


def fast_steps(lux: Lux) -> Steps:
    """Light added within two minutes; negative when it went."""
    return _steps(lux, ahead=FAST_MIN - 1, trend_min=5)


def slow_steps(lux: Lux) -> Steps:
    """Light added within nine minutes."""
    return _steps(lux, ahead=SLOW_MIN - 1, trend_min=8)


def unrest(fast: Steps, lux: Lux) -> Steps:
    """How restless the sky was just before: mean of |fast step| / lux over 20 minutes."""
    flat = np.abs(fast.ravel()) / np.maximum(lux.ravel(), np.float32(0.02))
    known = np.isfinite(flat)
    total = np.cumsum(np.where(known, np.minimum(flat, 1), 0), dtype=np.float64)
    count = np.cumsum(known, dtype=np.int32)
    out = np.full(flat.size, np.nan, dtype=np.float32)
    end, begin = slice(_REST_MIN, -_REST_GAP_MIN), slice(0, -_REST_MIN - _REST_GAP_MIN)
    n = count[end] - count[begin]
    mean = (total[end] - total[begin]) / np.maximum(n, 1)
    out[_REST_MIN + _REST_GAP_MIN :] = np.where(n >= _REST_MIN // 2, mean, np.nan)
    return out.reshape(lux.shape)


def rises(lux: Lux) -> Mask:
    """Whether it is brighter after a run-up than before.

    A lamp that burned all along flattens the fall of dusk, and looks like a step to a trend.
    """
    out = np.zeros(lux.shape, dtype=np.bool_)
    out[:, 1 : -SLOW_MIN + 1] = lux[:, SLOW_MIN:] > 1.02 * lux[:, :-SLOW_MIN]
    return out


def _steps(lux: Lux, *, ahead: int, trend_min: int) -> Steps:
    flat = np.maximum(lux.ravel(), np.float32(0.02))
    out = np.full(flat.size, np.nan, dtype=np.float32)
    first, last = trend_min + 1, flat.size - ahead
    if last <= first:
        return out.reshape(lux.shape)
    before = flat[first - 1 : last - 1]
    earlier = flat[first - 1 - trend_min : last - 1 - trend_min]
    # A sky at dusk or dawn changes by less than a quarter a minute; more is not trend.
    growth = np.clip(np.log(before / earlier) / trend_min, -0.25, 0.25)
    carried = before * np.exp(growth * (ahead + 1))
    out[first:last] = flat[first + ahead : last + ahead] - carried
    return out.reshape(lux.shape)
