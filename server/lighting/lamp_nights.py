"""One lamp's nights, read: from lux on the grid to edges, dark runs and levels, then to faults.

Reading a night needs its lux, the one before it, and `LampMemory`; what is found is a few hundred
numbers a night. Faults are told from those alone, so that a service keeps them and not the lux.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from server.lighting.baseline import Baseline, learn
from server.lighting.cycling import Cycling, cyclings
from server.lighting.edges import Lights, edges, own_light
from server.lighting.habit import NO_SCORES, Habit, JudgedEdge, judge
from server.lighting.lamp_night import NightView, night_views, shifted
from server.lighting.levels import Bins, bin_levels, day_gain_log, night_level_lx
from server.lighting.lit_state import clearest, lit_state
from server.lighting.night_grid import MIDNIGHT, Lux, NightGrid, bridged, median_of_three
from server.lighting.outages import Outage, WatchedNight, outages, watched, windows
from server.lighting.steps import Steps, fast_steps, rises, slow_steps, sudden_steps, unrest
from server.lighting.switching import WayFault, way_faults

_STEP_ZONE_DEG = (-12.0, 3.0)
_STEP_OF_SKY = 0.2
_LEAST_STEP = 0.3
_GAIN_NIGHTS = 120
_TWILIGHT_DEG = (-16.0, 7.0)

Night = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class LampNights:
    """All that one lamp's light said, night by night; small enough to keep for a whole city."""

    learned: bool
    first_known: int
    judged: list[JudgedEdge]
    watched: list[WatchedNight]
    views: list[NightView]
    ratio_log: NDArray[np.float32]
    gain_log: NDArray[np.float32]

    @property
    def nights(self) -> int:
        return int(self.ratio_log.size)

    def first(self, nights: int) -> "LampNights":
        """Without the nights from a number on."""
        return replace(
            self,
            judged=[one for one in self.judged if one.edge.night < nights],
            watched=[one for one in self.watched if one.night < nights],
            views=self.views[:nights],
            ratio_log=self.ratio_log[:nights],
            gain_log=self.gain_log[:nights],
        )

    def then(self, later: "LampNights") -> "LampNights":
        """With nights that follow, whose numbers began at 0."""
        by = self.nights
        return LampNights(
            learned=later.learned,
            first_known=self.first_known if self.learned else by + later.first_known,
            judged=self.judged
            + [replace(one, edge=replace(one.edge, night=one.edge.night + by))
               for one in later.judged],
            watched=self.watched + [one.later(by) for one in later.watched],
            views=self.views + [shifted(one, by) for one in later.views],
            ratio_log=np.concatenate([self.ratio_log, later.ratio_log]),
            gain_log=np.concatenate([self.gain_log, later.gain_log]),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LampFaults:
    """What is wrong, or was, with one lamp by itself."""

    outages: list[Outage]
    cycling: list[Cycling]
    ways: list[WayFault]


@dataclass(kw_only=True)
class LampMemory:
    """All that is known of a lamp from the nights before; reading nights moves it on."""

    baseline: Baseline = field(default_factory=Baseline)
    dusk: Habit = field(default_factory=Habit)
    dawn: Habit = field(default_factory=Habit)
    gain_log: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    """The sensor's view of the sky on the last nights."""


def read_lamp(
    grid: NightGrid,
    lux: Lux,
    memory: LampMemory,
    before: Lux | None = None,
    after: Lux | None = None,
) -> LampNights:
    """Read one lamp's nights; they must follow those that `memory` knows.

    Args:
        lux: (nights, 1440) as `grid`.
        before: (1, 1440) the night before, whose end is the beginning's past; `after` alike.
    """
    measured = np.concatenate([one for one in (before, lux, after) if one is not None])
    whole = bridged(measured)
    own = slice(0 if before is None else 1, (0 if before is None else 1) + grid.nights)
    lux = whole[own]
    smooth_all, fast_all = median_of_three(whole), fast_steps(whole)
    smooth, fast = smooth_all[own], fast_all[own]
    slow = slow_steps(smooth_all)[own]
    sun_deg = np.full(whole.shape, 90.0, dtype=np.float32)
    sun_deg[own] = grid.sun_deg
    twilight = (sun_deg > _TWILIGHT_DEG[0]) & (sun_deg < _TWILIGHT_DEG[1])
    at_once, in_two = (
        steps[own]
        for steps in sudden_steps(smooth_all if whole is measured else measured, twilight)
    )
    restless = unrest(fast_all, smooth_all)[own]
    bins = bin_levels(lux, grid.is_night)
    gain_log = day_gain_log(grid, lux)
    gains = np.concatenate([memory.gain_log, gain_log])
    learned = learn(memory.baseline, bins, _step_lx(grid, smooth, fast, slow, bins))
    state = lit_state(grid, lux, smooth, learned.limits, clearest(gains)[memory.gain_log.size :])
    memory.gain_log = gains[-_GAIN_NIGHTS:]
    lights = Lights(
        grid=grid, smooth=smooth, fast=fast, slow=slow, sudden=(at_once, in_two),
        unrest=restless, state=state,
        own_lx=own_light(grid, learned.limits.own_lx),
    )  # fmt: skip
    is_learned = memory.baseline.learned
    judged = (
        judge(lights, edges(lights), {True: memory.dusk, False: memory.dawn}) if is_learned else []
    )
    return LampNights(
        learned=is_learned,
        first_known=learned.first_known,
        judged=judged,
        watched=[watched(one) for one in windows(lights, judged)] if is_learned else [],
        views=night_views(lights, night_level_lx(bins)),
        ratio_log=learned.ratio_log,
        gain_log=gain_log,
    )


def lamp_faults(nights: LampNights) -> LampFaults:
    """Faults of one lamp from all its nights."""
    cycles = [one.cycling for one in nights.watched if one.cycling is not None]
    cycling = cyclings(cycles, [one.night for one in nights.watched])
    out = outages(nights.watched)
    # Whatever lit a lamp that is out for more than a night, it was not the lamp being late.
    silent = {run.night for one in out if len(one.runs) > 1 for run in one.runs}
    ways = way_faults([
        replace(one, scores=NO_SCORES)
        if one.edge.night in silent or any(fault.covers(one.edge.night) for fault in cycling)
        else one
        for one in nights.judged
    ])  # fmt: skip
    return LampFaults(outages=out, cycling=cycling, ways=ways)


def _step_lx(grid: NightGrid, smooth: Lux, fast: Steps, slow: Steps, bins: Bins) -> Night:
    """(nights,) the lamp's own light by its step at dusk, else at dawn; NaN if there was none."""
    level = night_level_lx(bins)
    before = np.roll(smooth, 1, axis=1)
    zone = (grid.sun_deg > _STEP_ZONE_DEG[0]) & (grid.sun_deg < _STEP_ZONE_DEG[1])
    with np.errstate(invalid="ignore"):
        clear = zone & (np.abs(fast) > _STEP_OF_SKY * before) & (before < 8 * level[:, None])
        gradual = zone[:, :MIDNIGHT] & (before[:, :MIDNIGHT] < 2 * level[:, None])
    rise = np.where(clear[:, :MIDNIGHT], fast[:, :MIDNIGHT], 0).max(axis=1)
    gradual &= rises(smooth)[:, :MIDNIGHT]
    run_up = np.nan_to_num(np.where(gradual, slow[:, :MIDNIGHT], 0)).max(axis=1)
    fall = np.where(clear[:, MIDNIGHT:], -fast[:, MIDNIGHT:], 0).max(axis=1)
    least = _LEAST_STEP * level
    # A discharge lamp goes out at once and comes slowly: its dawn tells more than its dusk.
    found = np.where(rise > least, rise, np.where(fall > least, fall, run_up))
    with np.errstate(invalid="ignore"):
        # No lamp adds more than the night is bright, but for the daylight its step is read from.
        return np.where(found > least, np.minimum(found, 1.1 * level), np.nan).astype(np.float32)
