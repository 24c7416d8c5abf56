"""Lamps out and lamps cycling: dark minutes in nights when the lamp's habit is to burn.

A night's dark minutes become runs; short runs between full light are cycling, long ones an outage.
An outage goes on over gaps, days and nights without darkness until the lamp is seen lit again: an
outage of the network is never the end, or the beginning, of one.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from server.lighting.edges import Lights, Sight
from server.lighting.habit import JudgedEdge, Way
from server.lighting.night_grid import MIDNIGHT, MINUTES, Mask
from server.lighting.switching import WayFault

RAISE_MIN = 10
"""Dark minutes after which a lamp is called out."""
KEEP_MIN = 20
"""An outage that ended sooner was a dip of the supply: hot lamps strike again within 15."""
KEEP_AT_EDGE_MIN = 35
CYCLES = 3
_LONGEST_CYCLE_MIN = 25
_RUN_UP_MIN = 12
_LEAST_LIT_MIN = 3
"""A dead lamp in passing cars looks lit for a minute or two."""
_JOIN_LIT_MIN = 45
"""Light that lasts less between dark runs may be a parked car."""
_LIT_AGAIN_MIN = 60
_AROUND_HABIT_MIN = 5


@dataclass(frozen=True, kw_only=True)
class DarkRun:
    """Dark minutes of one night that belong together; minutes from solar noon, end exclusive."""

    night: int
    begin: int
    end: int
    dark_min: int
    raised: int
    """Minute by which `RAISE_MIN` dark minutes had been seen."""
    lit_before: int | None
    """Last lit minute before it in this night; None: dark since the lamp was due."""
    relit: int | None
    """First lit minute after it in this night."""


@dataclass(frozen=True, kw_only=True)
class CyclingNight:
    """A night with at least three off/on pairs."""

    night: int
    begin: int
    end: int
    raised: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """When a lamp was due and could be judged in one night."""

    night: int
    minutes: NDArray[np.int64]
    """Minutes that were dark or lit for certain."""
    dark: Mask
    """(len(minutes),)"""


@dataclass(frozen=True, kw_only=True)
class WatchedNight:
    """What a window says, without its minutes: small enough to keep for years."""

    night: int
    cycling: CyclingNight | None
    runs: tuple[DarkRun, ...]
    first_lit: int | None
    last_lit: int | None
    lit_before_run: int
    """Lit minutes before the first run."""
    mostly_dark: bool

    def later(self, by: int) -> "WatchedNight":
        """The same with its night counted from another first one."""
        cycling = self.cycling
        return replace(
            self,
            night=self.night + by,
            cycling=None if cycling is None else replace(cycling, night=cycling.night + by),
            runs=tuple(replace(run, night=run.night + by) for run in self.runs),
        )


@dataclass(frozen=True, kw_only=True)
class Outage:
    """One lamp out, from its first dark run to the light."""

    runs: tuple[DarkRun, ...]
    last_lit: tuple[int, int] | None
    """(night, minute) at which it was last seen lit."""
    relit: tuple[int, int] | None
    """(night, minute) at which it was first seen lit again; None: still out."""

    @property
    def first(self) -> DarkRun:
        return self.runs[0]

    @property
    def dark_min(self) -> int:
        return sum(run.dark_min for run in self.runs)


def windows(lights: Lights, judged: list[JudgedEdge]) -> list[Window]:
    """What of each night can be judged: sun under -6 deg, lamp due by habit, measured."""
    is_night = lights.grid.is_night
    usable = is_night & lights.state.due & (lights.state.dark | lights.state.lit)
    expected = {(one.edge.night, one.edge.evening): one.expected for one in judged}
    out = []
    for night in map(int, np.flatnonzero(usable.any(axis=1))):
        on, off = expected.get((night, True)), expected.get((night, False))
        begin = 0 if on is None else on + _AROUND_HABIT_MIN
        end = MINUTES if off is None else off - _AROUND_HABIT_MIN
        minutes = np.flatnonzero(usable[night, begin:end]) + begin
        if minutes.size:
            dark = lights.state.dark[night, minutes]
            out.append(Window(night=night, minutes=minutes, dark=dark))
    return out


def cycling_night(window: Window) -> CyclingNight | None:
    """The night's off/on pairs, if there are enough of them and the lamp burned between."""
    begins, ends = _runs(window.dark)
    minutes = window.minutes
    dark_min = ends - begins
    inside = (begins > 0) & (ends < minutes.size)
    short = inside & (dark_min >= 1) & (dark_min <= _LONGEST_CYCLE_MIN)
    # A gap between two minutes can hide anything: only runs without one are pairs.
    span = minutes[np.minimum(ends, minutes.size - 1)] - minutes[np.maximum(begins - 1, 0)]
    pairs = np.flatnonzero(short & (span <= dark_min + _RUN_UP_MIN))
    if pairs.size < CYCLES:
        return None
    first, last = begins[pairs[0]], ends[pairs[-1]]
    lit_min = begins[1:] - ends[:-1]
    burned = lit_min[pairs[0] : pairs[-1]]
    if (~window.dark[first:last]).mean() < 0.2 or np.median(burned) < _LEAST_LIT_MIN:
        return None
    return CyclingNight(
        night=window.night,
        begin=int(minutes[first]),
        end=int(minutes[last]),
        raised=int(minutes[ends[pairs[CYCLES - 1]]]),
        pairs=int(pairs.size),
    )


def dark_runs(window: Window) -> list[DarkRun]:
    """The night's dark runs of at least `RAISE_MIN` minutes, joined over short light."""
    minutes, dark = window.minutes, window.dark
    spans = _joined(dark)
    out = []
    for begin, end in spans:
        where = begin + np.flatnonzero(dark[begin:end])
        if where.size < RAISE_MIN:
            continue
        out.append(
            DarkRun(
                night=window.night,
                begin=int(minutes[begin]),
                end=int(minutes[end - 1]) + 1,
                dark_min=int(where.size),
                raised=int(minutes[where[RAISE_MIN - 1]]) + 1,
                lit_before=int(minutes[begin - 1]) if begin > 0 else None,
                relit=int(minutes[end]) if end < minutes.size else None,
            )
        )
    return out


def _joined(dark: Mask) -> list[tuple[int, int]]:
    """Index spans of dark runs, joined where the light between is short and mostly absent."""
    spans: list[tuple[int, int]] = []
    for begin, end in zip(*_runs(dark), strict=True):
        if spans:
            first, last = spans[-1]
            lit_min = int(begin) - last
            both = (last - first) + (end - begin)
            if lit_min < _JOIN_LIT_MIN and both > lit_min:
                spans[-1] = (first, int(end))
                continue
        spans.append((int(begin), int(end)))
    return spans


def _runs(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    change = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1)


def watched(window: Window) -> WatchedNight:
    """Sum up one night's window."""
    runs = tuple(dark_runs(window))
    lit = window.minutes[~window.dark]
    return WatchedNight(
        night=window.night,
        cycling=cycling_night(window),
        runs=runs,
        first_lit=int(lit[0]) if lit.size else None,
        last_lit=int(lit[-1]) if lit.size else None,
        lit_before_run=int((lit < runs[0].begin).sum()) if runs else 0,
        mostly_dark=int(window.dark.sum()) > window.dark.size // 2,
    )


def outages(nights: list[WatchedNight]) -> list[Outage]:
    """All outages of one lamp; nights of cycling are read as lit."""
    found: list[Outage] = []
    last_lit: tuple[int, int] | None = None
    going: Outage | None = None
    for night in nights:
        runs = () if night.cycling is not None else night.runs
        if going is not None and not _goes_on(night, runs):
            # Lit again at its first judged minute that is lit for good.
            if night.first_lit is None:
                continue
            found.append(replace(going, relit=(night.night, night.first_lit)))
            going = None
        for run in runs:
            if going is not None:
                going = replace(going, runs=(*going.runs, run))
            else:
                before = last_lit if run.lit_before is None else (run.night, run.lit_before)
                going = Outage(runs=(run,), last_lit=before, relit=None)
            if run.relit is not None:
                found.append(replace(going, relit=(run.night, run.relit)))
                going = None
        if night.last_lit is not None:
            last_lit = (night.night, night.last_lit)
    if going is not None:
        found.append(going)
    return [one for one in found if one.relit is None or one.dark_min >= KEEP_MIN]


def too_short_at_an_edge(outage: Outage) -> bool:
    """A short dark spell of one lamp at dusk or dawn is a matter of switching."""
    at_an_edge = outage.first.lit_before is None or outage.first.relit is None
    return at_an_edge and outage.relit is not None and outage.dark_min < KEEP_AT_EDGE_MIN


def seen_lit_at_dusk(judged: list[JudgedEdge]) -> dict[int, int]:
    """Minute of each night at which the lamp came on, where that was seen."""
    return {
        one.edge.night: one.edge.minute
        for one in judged
        if one.edge.evening and one.edge.sight is Sight.SEEN and one.edge.minute is not None
    }


def _goes_on(night: WatchedNight, runs: tuple[DarkRun, ...]) -> bool:
    """Whether a lamp that was out the night before is still out in this one.

    A shop window may look like the lamp in the hours when the lamp is usually dimmed; a lamp that
    is back burns for longer than the night is dark.
    """
    if not runs:
        return False
    if runs[0].lit_before is None:
        return True
    return night.lit_before_run < _LIT_AGAIN_MIN and night.mostly_dark


def explained_by_switching(outage: Outage, faults: list[WayFault]) -> bool:
    """Whether an outage is one of the nights of a switching fault: dark at its edge only."""
    if len(outage.runs) != 1:
        return False
    run = outage.first
    if run.lit_before is None and run.relit is not None and run.relit < MIDNIGHT + 60:
        return any(one.way is Way.LATE_ON and one.covers(run.night) for one in faults)
    if run.relit is None and run.lit_before is not None:
        return any(one.way is Way.EARLY_OFF and one.covers(run.night) for one in faults)
    return False
