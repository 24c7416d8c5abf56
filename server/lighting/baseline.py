"""What a lamp does when it is well, learned night by night from its own light.

Everything known about one lamp is a small `Baseline`: its level by quarter hour (so that dimming
profiles are part of the habit), how much light is the lamp's own (from its steps at dusk and
dawn), and its commissioning profile, against which ageing is measured. It moves by a
bounded step a night, so one bad night can't spoil it, and it is the whole state: learning on from
a stored baseline gives what learning from the first night gives.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from server.lighting.levels import BINS, Bins

LEARNING_NIGHTS = 5
_LEAST_BINS, _LEAST_BINS_TO_COMPARE = 4, 6
_MOST_FALL_LOG, _MOST_RISE_LOG = 0.15, 0.05
"""A habit follows by at most this a night: a 50 % dimming step moves with the clock in 5 nights.

It rises slowly, so that it keeps to the darker evenings where a shop is closed on Sundays."""
_SHARE_SEEN = 0.3
"""A switching step must be at least this share of the night's level to prove that a lamp burns."""
_NEIGHBOUR_BINS = 5
"""75 minutes: a profile that moves with summer time stays within what its neighbour bins allow."""
_LEAST_DUE = 0.2
_LEAST_SHARE = 0.9
_MOST_DARK = 0.4
"""Nothing is learned from a night with more dark than this beside the lit."""
DARK_SHARE, LIT_SHARE = 0.35, 0.6
"""Of the lamp's own light: under the first it is dark, over the second it is lit."""

Row = NDArray[np.float32]


@dataclass(kw_only=True)
class Baseline:
    """The dated state of one lamp; (96,) arrays are log lx by quarter hour, NaN where unseen."""

    habit: Row = field(default_factory=lambda: _unseen())
    commissioned: Row = field(default_factory=lambda: _unseen())
    own_lx: float = 0.0
    learned: bool = False
    first_nights: list[tuple[Row, float]] = field(default_factory=list)

    def limits(self) -> "Limits":
        """What is dark, lit and due by quarter hour.

        At night nearly all light is the lamp's: its share is held between 90 and 100 %, whatever
        its steps said. A quarter hour in which the lamp is usually out or nearly so expects
        nothing: part-night lighting is a habit, not a fault.
        """
        least = _least_of_neighbours(np.exp(self.habit))
        due = least > _LEAST_DUE * self.own_lx
        own = np.where(due, np.clip(self.own_lx, _LEAST_SHARE * least, least), np.nan)
        return Limits(
            dark_lx=(least - (1 - DARK_SHARE) * own).astype(np.float32),
            lit_lx=(least - (1 - LIT_SHARE) * own).astype(np.float32),
            own_lx=np.where(due, np.minimum(least, self.own_lx), np.nan).astype(np.float32),
        )

    def learn(self, levels: Row, step_lx: float, limits: "Limits") -> float:
        """Take in one night and return its log ratio to the commissioning profile, or NaN.

        Args:
            levels: (96,) log lx by quarter hour of night.
            step_lx: Switching step of the night, the lamp's own light; NaN if none was seen.
        """
        if not self.learned:
            self._begin(levels, step_lx)
            return float("nan")
        level_lx = np.exp(levels)
        lit, dark = level_lx > limits.dark_lx, level_lx <= limits.dark_lx
        if lit.sum() < _LEAST_BINS or dark.sum() > _MOST_DARK * lit.sum():
            return float("nan")
        self._follow(levels, dark)
        if np.isfinite(step_lx):
            change = np.clip(step_lx / self.own_lx - 1, -0.15, 0.15)
            self.own_lx *= 1 + 0.3 * float(change)
        return self._against_commissioning(levels, lit)

    def _begin(self, levels: Row, step_lx: float) -> None:
        if int(np.isfinite(levels).sum()) < _LEAST_BINS:
            return
        if not step_lx >= _SHARE_SEEN * _middle(np.exp(levels)):
            return
        self.first_nights.append((levels, step_lx))
        if len(self.first_nights) < LEARNING_NIGHTS:
            return
        self.habit = _median_rows(np.array([night for night, _ in self.first_nights]))
        self.commissioned = self.habit.copy()
        self.own_lx = float(np.median([step for _, step in self.first_nights]))
        self.first_nights = []
        self.learned = True

    def _follow(self, levels: Row, dark: NDArray[np.bool_]) -> None:
        known = np.isfinite(levels)
        fresh = known & np.isnan(self.habit)
        change = np.clip(levels - self.habit, -_MOST_FALL_LOG, _MOST_RISE_LOG)
        follow = known & ~fresh & ~dark
        self.habit[follow] += change[follow]
        self.habit[fresh] = levels[fresh]

    def _against_commissioning(self, levels: Row, lit: NDArray[np.bool_]) -> float:
        both = lit & np.isfinite(self.commissioned)
        if both.sum() < _LEAST_BINS_TO_COMPARE:
            return float("nan")
        ratio = _middle((levels - self.commissioned)[both])
        # Longer nights bring quarter hours that were day at commissioning: they join the profile
        # at the lamp's present ratio.
        joins = np.isnan(self.commissioned) & np.isfinite(levels)
        self.commissioned[joins] = levels[joins] - ratio
        return ratio


@dataclass(frozen=True, kw_only=True)
class Limits:
    """By quarter hour; NaN where nothing is expected. (96,), or (nights, 96) for many nights."""

    dark_lx: NDArray[np.float32]
    """Below this the lamp is out."""
    lit_lx: NDArray[np.float32]
    """Above this (and what the sky adds) it burns; between the two it can't be told."""
    own_lx: NDArray[np.float32]
    """The lamp's own least light."""


@dataclass(frozen=True, kw_only=True)
class LearnedNights:
    """What the baseline was on each night, before that night was learned from."""

    limits: Limits
    """(nights, 96)"""
    ratio_log: NDArray[np.float32]
    """(nights,) the night's level over the commissioning profile, log; NaN if it wasn't lit."""
    first_known: int
    """The night on which the baseline stood; nights before are judged by it in hindsight."""


def learn(baseline: Baseline, bins: Bins, step_lx: NDArray[np.float32]) -> LearnedNights:
    """Run through nights in order, moving `baseline` on."""
    nights = bins.shape[0]
    rows = np.full((3, nights, BINS), np.nan, dtype=np.float32)
    ratio = np.full(nights, np.nan, dtype=np.float32)
    was_learned, first_known = baseline.learned, 0 if baseline.learned else nights
    for night in range(nights):
        limits = baseline.limits()
        if baseline.learned:
            rows[:, night] = _rows(limits)
        ratio[night] = baseline.learn(bins[night], float(step_lx[night]), limits)
        if baseline.learned and not was_learned:
            was_learned, first_known = True, night
            rows[:, : night + 1] = _rows(baseline.limits())[:, None]
    return LearnedNights(
        limits=Limits(dark_lx=rows[0], lit_lx=rows[1], own_lx=rows[2]),
        ratio_log=ratio,
        first_known=first_known,
    )


def _rows(limits: Limits) -> NDArray[np.float32]:
    return np.array([limits.dark_lx, limits.lit_lx, limits.own_lx])


def _unseen() -> Row:
    return np.full(BINS, np.nan, dtype=np.float32)


def _median_rows(rows: NDArray[np.float32]) -> Row:
    out = _unseen()
    seen = np.isfinite(rows).any(axis=0)
    out[seen] = np.nanmedian(rows[:, seen], axis=0)
    return out


def _middle(level: Row) -> float:
    known = np.sort(level[np.isfinite(level)])
    return float(known[known.size // 2]) if known.size else float("nan")


def _least_of_neighbours(level: Row) -> Row:
    padded = np.concatenate([level[-_NEIGHBOUR_BINS:], level, level[:_NEIGHBOUR_BINS]])
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOUR_BINS + 1)
    return np.where(np.isnan(level), np.nan, np.fmin.reduce(around, axis=1))
