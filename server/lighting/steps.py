"""Sudden changes of light: a lamp switched on or off against a sky that changes smoothly.

A step is what is left after the sky's own trend (log-linear over the minutes before) is carried
on. The fast one looks over 2 minutes, the slow one over 9, for discharge lamps that run up.
"""

import numpy as np
from numpy.typing import NDArray

from server.lighting.night_grid import Lux, Mask

FAST_MIN = 2
SLOW_MIN = 9
_TREND_MIN = 8
_REST_MIN = 20
_REST_GAP_MIN = 3

Steps = NDArray[np.float32]
"""(nights, 1440) lx; what came (or went) around this minute; NaN where it can't be told."""


def fast_steps(lux: Lux) -> Steps:
    """Light added within two minutes; negative when it went."""
    return _steps(lux, ahead=FAST_MIN - 1, trend_min=5)


def sudden_steps(lux: Lux, where: Mask) -> tuple[Steps, Steps]:
    """What came within one minute, and within two, beside the middle trend of 8 minutes before.

    Quieter than `fast_steps`, and dearer: only minutes of `where` are looked at, the rest is NaN.
    """
    flat = np.maximum(lux.ravel(), np.float32(0.02))
    change = np.diff(np.log(flat), prepend=np.float32(np.nan))
    at = np.flatnonzero(where.ravel())
    at = at[(at > _TREND_MIN) & (at < flat.size - 1)]
    before = np.lib.stride_tricks.sliding_window_view(change, _TREND_MIN)[at - _TREND_MIN]
    ordered = np.sort(before, axis=1)
    known = np.isfinite(before).sum(axis=1)
    trend = np.take_along_axis(ordered, (known // 2).clip(0, _TREND_MIN - 1)[:, None], axis=1)[:, 0]
    trend = np.where(known >= _TREND_MIN // 2, np.clip(trend, -0.3, 0.3), np.nan)
    found = []
    for minutes in (1, 2):
        out = np.full(flat.size, np.nan, dtype=np.float32)
        out[at] = flat[at + minutes - 1] - flat[at - 1] * np.exp(minutes * trend)
        found.append(out.reshape(lux.shape))
    return found[0], found[1]


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
