"""When a lamp came on at dusk and went off at dawn: exactly, or why that can't be said."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from server.lighting.levels import BIN_MIN, BINS
from server.lighting.lit_state import LitState
from server.lighting.night_grid import MIDNIGHT, MINUTES, Lux, Mask, NightGrid
from server.lighting.steps import SLOW_MIN, Steps, rises

_SUSTAINED_MIN = 6
_JOINED_MIN = 6
"""Dark and lit evidence closer than this leave no doubt about the moment between them."""
_STEP_OF_OWN = 0.45
_FAST_OF_SKY = 0.2
_SLOW_OF_SKY = 0.35
"""A step must also be this share of the light before it: clouds do less in 2, or 9, minutes."""
_OF_UNREST = 5.0
_MOST_OF_OWN = 2.0
"""What adds more than twice the lamp's own light is something else."""
_HIGHEST_SUN_DEG = 3.0


class Sight(Enum):
    """How an edge was, or wasn't, seen."""

    SEEN = "seen"
    NONE = "no step"
    """The lamp burns at night, and no step was found; `switching` says if one should show."""
    DARK = "never lit"
    UNKNOWN = "can't tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """One switching of one night; `minute` from solar noon."""

    night: int
    evening: bool
    sight: Sight
    minute: int | None = None
    elevation_deg: float | None = None
    """The sun's at that minute."""
    sky_lx: float = float("nan")
    """Light without the lamp, next to the switching."""
    fast: bool = True
    """The lamp was there within two minutes; discharge lamps run up over nine."""


@dataclass(frozen=True, kw_only=True)
class Lights:
    """What the edges are read from; see `steps`, `night_grid`, `lit_state`."""

    grid: NightGrid
    smooth: Lux
    fast: Steps
    slow: Steps
    sudden: tuple[Steps, Steps]
    """Within one minute, and within two; at dusk and dawn only."""
    unrest: Steps
    state: LitState
    own_lx: NDArray[np.float32]
    """(nights, 2) the lamp's own light in the evening and in the morning."""

    def seen(self, night: int, minute: int, *, evening: bool) -> Edge:
        """The edge at a minute."""
        at = minute - 2 if evening else minute + 2
        sky_lx = float(self.smooth[night, min(max(at, 0), MINUTES - 1)])
        around = self.fast[night, max(minute - 2, 0) : minute + 2]
        most = float(np.fmax.reduce(around if evening else -around, initial=0.0))
        own_lx = float(self.own_lx[night, 0 if evening else 1])
        return Edge(
            night=night, evening=evening, sight=Sight.SEEN, minute=minute, sky_lx=sky_lx,
            elevation_deg=float(self.grid.sun_deg[night, min(minute, MINUTES - 1)]),
            fast=most > _STEP_OF_OWN * own_lx,
        )  # fmt: skip


def own_light(grid: NightGrid, own_bins_lx: NDArray[np.float32]) -> NDArray[np.float32]:
    """(nights, 2) the lamp's own lux where the night begins and where it ends; NaN if unknown."""
    # In a night that doesn't get dark both ends are midnight.
    is_night = grid.is_night.copy()
    is_night[~is_night.any(axis=1), MIDNIGHT] = True
    first = is_night.argmax(axis=1) // BIN_MIN
    last = (MINUTES - 1 - is_night[:, ::-1].argmax(axis=1)) // BIN_MIN
    out = np.full((grid.nights, 2), np.nan, dtype=np.float32)
    for night in range(grid.nights):
        known = np.flatnonzero(np.isfinite(own_bins_lx[night]))
        if known.size:
            for side, at in enumerate((first[night], last[night])):
                nearest = known[np.abs(known - min(int(at), BINS - 1)).argmin()]
                out[night, side] = own_bins_lx[night, nearest]
    return out


def edges(lights: Lights) -> list[Edge]:
    """Both edges of every night, in order of time."""
    comes, goes = _candidates(lights)
    sustained = _sustained(lights.state.lit)
    out = []
    for night in range(lights.grid.nights):
        out.append(_dusk_edge(lights, night, sustained[night], comes[night]))
        out.append(_dawn_edge(lights, night, sustained[night], goes[night]))
    return out


def _candidates(lights: Lights) -> tuple[Mask, Mask]:
    before = np.roll(lights.smooth, 1, axis=1)
    sky = before * np.maximum(_FAST_OF_SKY, _OF_UNREST * np.nan_to_num(lights.unrest, nan=1.0))
    low_sun = lights.grid.sun_deg < _HIGHEST_SUN_DEG
    evening, morning = lights.own_lx[:, :1], lights.own_lx[:, 1:]
    fast = _between(lights.fast, np.maximum(_STEP_OF_OWN * evening, sky), evening)
    of_own = np.maximum(_STEP_OF_OWN * evening, _SLOW_OF_SKY * before)
    slow = _between(lights.slow, of_own, evening) & rises(lights.smooth) & ~_soon(fast)
    goes = _between(-lights.fast, np.maximum(_STEP_OF_OWN * morning, sky), morning)
    return (fast | slow) & low_sun, goes & low_sun


def _between(steps: Steps, least: NDArray[np.float32], own_lx: NDArray[np.float32]) -> Mask:
    return np.asarray((steps >= least) & (steps <= _MOST_OF_OWN * own_lx))


def _soon(mask: Mask) -> Mask:
    """Whether the mask holds within the next minutes that a slow step looks over."""
    total = np.cumsum(mask, axis=1, dtype=np.int32)
    soon = np.zeros_like(mask)
    soon[:, :-SLOW_MIN] = total[:, SLOW_MIN:] > total[:, :-SLOW_MIN]
    return soon


def _sustained(lit: Mask) -> Mask:
    """Minutes that begin a stretch lit in all but one of its minutes."""
    total = np.cumsum(np.pad(lit, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    out = np.zeros_like(lit)
    out[:, : MINUTES - _SUSTAINED_MIN + 1] = (
        total[:, _SUSTAINED_MIN:] - total[:, :-_SUSTAINED_MIN] >= _SUSTAINED_MIN - 1
    )
    return out & lit


def _dusk_edge(lights: Lights, night: int, sustained: Mask, comes: Mask) -> Edge:
    state = lights.state
    found = np.flatnonzero(sustained[:MIDNIGHT])
    if found.size == 0:
        dark = int(state.dark[night, :MIDNIGHT].sum())
        return Edge(night=night, evening=True, sight=Sight.DARK if dark >= 10 else Sight.UNKNOWN)
    lit = int(found[0])
    if lit == 0:
        return Edge(night=night, evening=True, sight=Sight.UNKNOWN)  # lit at noon: a polar night
    dark_before = np.flatnonzero(state.dark[night, :lit])
    dark = int(dark_before[-1]) if dark_before.size else -1
    if dark >= 0 and lit - dark <= _JOINED_MIN:
        return lights.seen(night, dark + 1, evening=True)
    step = _likest(lights, night, comes, dark + 1, lit + 5, evening=True)
    if step is not None:
        return lights.seen(night, step + 1, evening=True)
    if dark >= 0:
        # Dark was certain, later lit, and the moment itself is a gap or too gradual.
        gap = not state.measured[night, dark + 1 : lit].all()
        close = lit - dark <= 20 and not gap
        return (
            lights.seen(night, dark + 1, evening=True)
            if close
            else Edge(night=night, evening=True, sight=Sight.UNKNOWN)
        )
    return Edge(night=night, evening=True, sight=Sight.NONE)


def _dawn_edge(lights: Lights, night: int, sustained: Mask, goes: Mask) -> Edge:
    state = lights.state
    found = np.flatnonzero(sustained[MIDNIGHT:])
    if found.size == 0:
        dark = int(state.dark[night, MIDNIGHT:].sum())
        return Edge(night=night, evening=False, sight=Sight.DARK if dark >= 10 else Sight.UNKNOWN)
    lit = MIDNIGHT + int(found[-1]) + _SUSTAINED_MIN - 1
    if lit >= MINUTES - 2:
        return Edge(night=night, evening=False, sight=Sight.UNKNOWN)
    dark_after = np.flatnonzero(state.dark[night, lit + 1 :])
    dark = lit + 1 + int(dark_after[0]) if dark_after.size else MINUTES
    if dark < MINUTES and dark - lit <= _JOINED_MIN:
        return lights.seen(night, dark, evening=False)
    step = _likest(lights, night, goes, lit - 5, dark, evening=False)
    if step is not None:
        return lights.seen(night, step + 1, evening=False)
    if dark < MINUTES:
        gap = not state.measured[night, lit:dark].all()
        close = dark - lit <= 20 and not gap
        return (
            lights.seen(night, dark, evening=False)
            if close
            else Edge(night=night, evening=False, sight=Sight.UNKNOWN)
        )
    return Edge(night=night, evening=False, sight=Sight.NONE)


def _likest(
    lights: Lights, night: int, found: Mask, begin: int, end: int, *, evening: bool
) -> int | None:
    """Of the candidate minutes, the one whose step is most like the lamp's own light."""
    at = begin + np.flatnonzero(found[begin:end])
    if at.size == 0:
        return None
    own_lx = lights.own_lx[night, 0 if evening else 1]
    steps = np.abs(lights.fast[night, at])
    if evening:
        steps = np.where(steps < _STEP_OF_OWN * own_lx, lights.slow[night, at], steps)
    best = int(np.argmin(np.abs(steps - own_lx)))
    # A step shows in the two minutes around it: take the first of them.
    return int(at[best - 1] if best and at[best] - at[best - 1] == 1 else at[best])
