"""Lamps that give too little: 14 nights' median under 0.8 of the commissioning level.

Before it is judged, a night's level is freed of what is not the lamp: snow (the neighbours' levels
rise together), and dirt or leaves before the sensor (its view of the day falls beside the
neighbours'). A lasting rise is a new lamp and starts a new commissioning value.
"""

import math
import statistics
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NIGHTS = 14
LOW_LOG = math.log(0.79)
"""EN 13201's usual maintenance factor is 0.8; a hundredth less keeps it from flickering."""
_WELL_LOG = math.log(0.86)
_RISEN_LOG = math.log(1.15)
_NIGHTS_TO_CLOSE = 7
_LEAST_NEIGHBOURS = 4
_GAIN_NIGHTS = 21
_MOST_DOME_LOG = -0.7
_DOME_NOISE_LOG = 0.05

Nights = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LowLevel:
    """One decline: nights, and the level over the commissioning value when it was worst."""

    first_night: int
    raised_night: int
    last_night: int
    closed_night: int | None
    worst: float


def freed(ratio_log: Nights, gain_log: Nights) -> tuple[Nights, Nights]:
    """Log ratios without snow, and what the dome takes (at most 0), (lamps, nights) each.

    Args:
        ratio_log: (lamps, nights) level over commissioning, NaN where not lit or not measured.
        gain_log: (lamps, nights) view of the day's light, NaN where unknown.
    """
    own = ratio_log - _commissioning(ratio_log)[:, None]
    if ratio_log.shape[0] < _LEAST_NEIGHBOURS:
        return own, np.zeros_like(own)
    # Snow lifts every lamp; a few new ones don't make a winter.
    snow = np.maximum(0.0, np.nan_to_num(_of_lamps(own, 25)))
    return own - snow[None, :], _dome(gain_log)


def _commissioning(values: Nights) -> Nights:
    out = np.zeros(values.shape[0])
    for lamp, row in enumerate(values):
        known = row[np.isfinite(row)][:NIGHTS]
        out[lamp] = np.median(known) if known.size else 0.0
    return out


def _of_lamps(values: Nights, percent: float) -> Nights:
    """(nights,) a percentile over the lamps; NaN where fewer than four are known."""
    out = np.full(values.shape[1], np.nan)
    enough = np.isfinite(values).sum(axis=0) >= _LEAST_NEIGHBOURS
    out[enough] = np.nanpercentile(values[:, enough], percent, axis=0)
    return out


def _dome(gain_log: Nights) -> Nights:
    """(lamps, nights) how much of the view was lost beside the neighbours', log, at most 0."""
    relative = gain_log - _commissioning(gain_log)[:, None]
    # Dirt and leaves only take: the lamps that lost less show what the weather did.
    relative -= _of_lamps(relative, 80)[None, :]
    relative = relative - _commissioning(relative)[:, None] + _DOME_NOISE_LOG
    out = np.zeros_like(relative)
    for lamp, row in enumerate(relative):
        recent: deque[float] = deque(maxlen=_GAIN_NIGHTS)
        for night, value in enumerate(row):
            if np.isfinite(value):
                recent.append(float(value))
            if len(recent) >= _GAIN_NIGHTS // 2:
                out[lamp, night] = min(0.0, max(_MOST_DOME_LOG, statistics.median(recent)))
    return out


@dataclass(kw_only=True)
class _Watch:
    """One lamp's recent nights against its present commissioning value."""

    value: float = 0.0
    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=NIGHTS))
    open: LowLevel | None = None
    done: list[LowLevel] = field(default_factory=list)

    def take(self, night: int, ratio_log: float, dome_log: float) -> None:
        level = ratio_log - self.value
        # A clean dome gives back what it took, and never more than the commissioning level.
        self.recent.append((night, min(level - dome_log, 0.0) if level < 0 else level))
        if len(self.recent) < NIGHTS:
            return
        levels = [level for _, level in self.recent]
        middle = statistics.median(levels)
        if self.open is None:
            if middle < LOW_LOG:
                first = self._since(below=True)
                self.open = LowLevel(first_night=first, raised_night=night, last_night=night,
                                     closed_night=None, worst=math.exp(middle))  # fmt: skip
            elif middle > _RISEN_LOG and min(levels[2:]) > _RISEN_LOG / 2:
                self.value += middle
                self.recent.clear()
            return
        self._go_on(night, levels, middle)

    def _go_on(self, night: int, levels: list[float], middle: float) -> None:
        assert self.open is not None
        recovered = statistics.median(levels[-_NIGHTS_TO_CLOSE:]) > _WELL_LOG
        worst = min(self.open.worst, math.exp(middle))
        last = self._since(below=False) if recovered else night
        self.open = LowLevel(
            first_night=self.open.first_night,
            raised_night=self.open.raised_night,
            last_night=max(last, self.open.first_night),
            closed_night=night if recovered else None,
            worst=worst,
        )
        if recovered:
            self.done.append(self.open)
            self.open = None
            kept = [one for one in self.recent if one[0] >= last]
            self.recent.clear()
            self.recent.extend(kept)

    def _since(self, *, below: bool) -> int:
        """First night of the recent ones from which on all but one lie on one side of the limit."""
        border = LOW_LOG if below else _WELL_LOG
        first, against = self.recent[-1][0], 0
        for night, level in reversed(self.recent):
            against += (level < border) != below
            if against > 1:
                break
            if (level < border) == below:
                first = night
        return first


def low_levels(ratio_log: Nights, dome_log: Nights) -> list[LowLevel]:
    """The declines of one lamp from its two (nights,) rows of `freed`."""
    watch = _Watch()
    for night in np.flatnonzero(np.isfinite(ratio_log)):
        watch.take(int(night), float(ratio_log[night]), float(dome_log[night]))
    return watch.done + ([watch.open] if watch.open is not None else [])
