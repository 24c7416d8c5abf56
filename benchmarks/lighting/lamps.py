"""Street lamps: who tells them to burn, how they dim, and how fast they come up.

A lamp's output is 1 at full power when new. HPS runs up over about 5 minutes and, switched off hot,
strikes again only after some minutes; LED follows within the minute.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.lighting.sky import Sky

Flags = NDArray[np.bool_]
Series = NDArray[np.float64]

_HPS_RUN_UP = np.array([0.06, 0.10, 0.22, 0.45, 0.70, 0.88, 0.96])


@dataclass(frozen=True, kw_only=True)
class Controller:
    """What switches a lamp: its own photocell (lx), or an astronomical clock (sun's elevation)."""

    on_lx: float | None = None
    off_lx: float | None = None
    on_deg: float = -4.0
    off_deg: float = -4.0


@dataclass(frozen=True, kw_only=True)
class Lamp:
    """One luminaire as its sensor sees it."""

    technology: str
    full_lx: float
    """What it adds at the sensor at full power, when new."""
    controller: Controller
    dimming: tuple[tuple[float, float, float], ...] = ()
    """(from local hour, to local hour, output); hours over 24 are after midnight."""
    warmth: float = field(default=0.0)
    """Relative loss of output from the coldest to the warmest month (LED)."""


def commanded(lamp: Lamp, sky: Sky, cell_factor: float) -> Flags:
    """When the lamp is told to burn; `cell_factor` is the share of the sky its photocell sees."""
    control = lamp.controller
    if control.on_lx is not None and control.off_lx is not None:
        # A photocell waits before it believes: three minutes of median-like smoothing.
        seen_lx = np.convolve(sky.daylight_lx, np.ones(3) / 3, mode="same") * cell_factor
        set_on, set_off = seen_lx < control.on_lx, seen_lx > control.off_lx
    else:
        set_on, set_off = sky.sun_deg < control.on_deg, sky.sun_deg > control.off_deg
    # A recording that begins at night begins with lamps that burn.
    dark_start = bool(sky.sun_deg[0] < -5)
    return _latched(sky.evening & set_on, ~sky.evening & set_off, dark_start=dark_start)


def dimmed(lamp: Lamp, sky: Sky, lon_deg: float, *, summer_time: bool) -> Series:
    """The share of full power the dimming profile asks for, by the local clock."""
    share = np.ones(sky.t_s.size)
    hour = local_hour(sky.t_s, lon_deg, summer_time=summer_time)
    for from_h, to_h, level in lamp.dimming:
        share[((hour - from_h) % 24) < (to_h - from_h)] = level
    return share


def run_up(technology: str, powered: Flags, rng: np.random.Generator) -> Series:
    """Output (0..1) of a lamp that gets power in these minutes."""
    out = powered.astype(float)
    if technology != "HPS":
        return out
    edges = np.flatnonzero(np.diff(powered.astype(np.int8), prepend=0))
    off_since = -10_000
    for edge in edges:
        if not powered[edge]:
            off_since = int(edge)
            continue
        wait = int(rng.integers(1, 5)) if edge - off_since < 10 else 0
        out[edge : edge + wait] = 0.0
        piece = out[edge + wait : edge + wait + _HPS_RUN_UP.size]
        piece *= _HPS_RUN_UP[: piece.size]
    return out


def local_hour(t_s: NDArray[np.int64], lon_deg: float, *, summer_time: bool) -> Series:
    """Hour of the local clock (0..24), with the European summer time if asked for."""
    offset_h = np.full(t_s.size, float(round(lon_deg / 15)))
    if summer_time:
        for year in range(_year(t_s[0]), _year(t_s[-1]) + 1):
            begin, end = _last_sunday_utc_s(year, 3), _last_sunday_utc_s(year, 10)
            offset_h[(t_s >= begin) & (t_s < end)] += 1
    return np.asarray((t_s / 3600 + offset_h) % 24)


def _latched(set_on: Flags, set_off: Flags, *, dark_start: bool) -> Flags:
    state = np.where(set_on, 1, np.where(set_off, 0, -1))
    if state[0] == -1:
        state[0] = int(dark_start)
    last = np.maximum.accumulate(np.where(state >= 0, np.arange(state.size), 0))
    return np.asarray(state[last] == 1)


def _year(t_s: np.int64) -> int:
    return datetime.fromtimestamp(int(t_s), UTC).year


def _last_sunday_utc_s(year: int, month: int) -> float:
    day = datetime(year, month, 31, 1, tzinfo=UTC)
    return (day - timedelta(days=(day.weekday() + 1) % 7)).timestamp()
