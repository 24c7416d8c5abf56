"""Dark, lit, or can't tell: for every minute, from limits alone and whatever the sun does.

Light only adds. So a minute below the lamp's own limit is dark even at dusk, and a minute is lit
only if it is brighter than limit and sky together can explain. Between them nothing is claimed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.lighting.baseline import Limits
from server.lighting.levels import BIN_MIN
from server.lighting.night_grid import MINUTES, Lux, Mask, NightGrid

_CLEAREST_NIGHTS = 20
_SKY_MARGIN = 1.3
_UNKNOWN_GAIN_LOG = -0.3
"""Taken for the sensor's view of the sky until a day has been seen: nearly all of it."""


@dataclass(frozen=True, kw_only=True)
class LitState:
    """(nights, 1440) masks; a minute in neither is a gap or can't be told."""

    dark: Mask
    lit: Mask
    due: Mask
    """The lamp's habit is to burn at this time of night."""
    measured: Mask


def lit_state(
    grid: NightGrid,
    lux: Lux,
    smooth: Lux,
    limits: Limits,
    clearest_log: NDArray[np.float32],
) -> LitState:
    """Judge every minute.

    Args:
        lux: As measured; a single low minute is true, since nothing but a dark lamp lowers it.
        smooth: Its median of three; a single bright minute is a car.
        limits: (nights, 96) of the baseline.
        clearest_log: (nights,) the sensor's view of a clear sky by `clearest`.
    """
    due = np.isfinite(_by_minute(limits.dark_lx))
    # Quarter hours before and after the habit's night (dusk itself) are judged by the nearest one.
    dark_lx, lit_lx = (_by_minute(_carried(rows)) for rows in (limits.dark_lx, limits.lit_lx))
    sky = grid.clear_lx * (_SKY_MARGIN * np.exp(clearest_log))[:, None]
    return LitState(
        dark=lux < dark_lx,
        # Where the sky gives as much as the lamp, a clear dawn after a grey week looks like one.
        # A dark minute is dark at once, also while its successor, and so its median, is unknown.
        lit=(smooth > lit_lx + sky) & (sky < lit_lx) & ~(lux < dark_lx),
        due=due,
        measured=np.isfinite(lux),
    )


def clearest(gain_log: NDArray[np.float32]) -> NDArray[np.float32]:
    """(nights,) the largest view of the sky in the nights before: a clear day's."""
    filled = np.where(np.isnan(gain_log), -np.inf, gain_log)
    most = np.full_like(filled, -np.inf)
    for back in range(_CLEAREST_NIGHTS):
        most[back:] = np.maximum(most[back:], filled[: filled.size - back])
    last = np.maximum.accumulate(np.where(np.isfinite(most), np.arange(most.size), 0))
    carried = most[last]
    return np.where(np.isfinite(carried), carried, _UNKNOWN_GAIN_LOG).astype(np.float32)


def _by_minute(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(rows, BIN_MIN, axis=1).reshape(-1, MINUTES)


def _carried(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill a row's ends with its first and last known value; holes inside stay open."""
    known = np.isfinite(rows)
    any_known = known.any(axis=1)
    first = np.where(any_known, known.argmax(axis=1), 0)
    last = np.where(any_known, rows.shape[1] - 1 - known[:, ::-1].argmax(axis=1), 0)
    column = np.arange(rows.shape[1])[None, :]
    source = np.clip(column, first[:, None], last[:, None])
    return np.take_along_axis(rows, source, axis=1)
