"""One lamp's nights, read: from lux on the grid to edges, dark runs and levels."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from server.lighting.baseline import Baseline, LearnedNights, learn
from server.lighting.burning import Burning, burnings
from server.lighting.cycling import Cycling, cyclings
from server.lighting.edges import Lights, edges, own_light
from server.lighting.levels import Bins, bin_levels, day_gain_log, night_level_lx
from server.lighting.lit_state import clearest, lit_state
from server.lighting.night_grid import MIDNIGHT, Lux, NightGrid, median_of_three
from server.lighting.outages import Outage, Window, cycling_night, outages, windows
from server.lighting.steps import Steps, fast_steps, rises, slow_steps, unrest
from server.lighting.switching import Habit, JudgedEdge, SwitchingFault, judge, switching_faults

_STEP_ZONE_DEG = (-12.0, 3.0)
_STEP_OF_SKY = 0.2
_LEAST_STEP = 0.3
_GAIN_NIGHTS = 120

Night = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class LampNights:
    """All that one lamp's light said; small enough to keep for a whole city."""

    learned: bool
    first_known: int
    judged: list[JudgedEdge]
    windows: list[Window]
    outages: list[Outage]
    cycling: list[Cycling]
    switching: list[SwitchingFault]
    burning: list[Burning]
    ratio_log: NDArray[np.float32]
    gain_log: NDArray[np.float32]


@dataclass(kw_only=True)
class LampMemory:
    """All that is known of a lamp from the nights before; reading nights moves it on.

    Stored with its date, it lets a run over the last nights say what a run over all would say.
    """

    baseline: Baseline = field(default_factory=Baseline)
    dusk: Habit = field(default_factory=Habit)
    dawn: Habit = field(default_factory=Habit)
    gain_log: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    """The sensor's view of the sky on the last nights."""


def read_lamp(grid: NightGrid, lux: Lux, memory: LampMemory) -> LampNights:
    """Read one lamp's nights; they must follow those that `memory` knows."""
    smooth = median_of_three(lux)
    fast, slow = fast_steps(lux), slow_steps(smooth)
    bins = bin_levels(lux, grid.is_night)
    gain_log = day_gain_log(grid, lux)
    gains = np.concatenate([memory.gain_log, gain_log])
    learned = learn(memory.baseline, bins, _step_lx(grid, smooth, fast, slow, bins))
    state = lit_state(grid, lux, smooth, learned.limits, clearest(gains)[memory.gain_log.size :])
    memory.gain_log = gains[-_GAIN_NIGHTS:]
    own = own_light(grid, learned.limits.own_lx)
    lights = Lights(
        grid=grid, smooth=smooth, fast=fast, slow=slow, unrest=unrest(fast, smooth), state=state,
        own_lx=own,
    )  # fmt: skip
    return _judged(lights, learned, gain_log, memory)


def _judged(
    lights: Lights, learned: LearnedNights, gain_log: NDArray[np.float32], memory: LampMemory
) -> LampNights:
    is_learned = memory.baseline.learned
    habits = {True: memory.dusk, False: memory.dawn}
    judged = judge(lights, edges(lights), habits) if is_learned else []
    seen = windows(lights, judged) if is_learned else []
    cycles = [night for window in seen if (night := cycling_night(window)) is not None]
    burning = burnings(lights.grid, judged)
    out = outages(seen, {night.night for night in cycles})
    explained = {id(one) for fault in burning for one in fault.missed}
    # Whatever lit a lamp that is out for more than a night, it was not the lamp being late.
    dark_nights = {run.night for one in out if len(one.runs) > 1 for run in one.runs}
    cycling = cyclings(cycles, [window.night for window in seen])
    explained |= {
        id(one) for one in judged
        if one.edge.night in dark_nights or any(fault.covers(one.edge.night) for fault in cycling)
    }  # fmt: skip
    return LampNights(
        learned=is_learned,
        first_known=learned.first_known,
        judged=judged,
        windows=seen,
        outages=out,
        cycling=cycling,
        switching=switching_faults([one for one in judged if id(one) not in explained]),
        burning=burning,
        ratio_log=learned.ratio_log,
        gain_log=gain_log,
    )


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
