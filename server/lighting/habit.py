"""When a lamp usually switches, learned night by night, and each edge judged against it.

A clock switches at its usual elevation, a photocell at its usual light; so the usual place of an
edge is a window of minutes around the usual elevation, and any minute at which the sky was as
bright as usual. What speaks for each way in which a night can have gone is kept as numbers;
`switching` adds them up over nights.
"""

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from server.lighting.edge_evidence import Evidence, evidence
from server.lighting.edges import Edge, Lights, Sight
from server.lighting.night_grid import MIDNIGHT, MINUTES

MOST_LOG = 4.5
"""One edge says no more than this: a storm, a car, a wet dome come once, a fault every night."""
WRONG_MIN = 16
"""Sooner than this nothing is early or late."""
LEAST_NIGHT_MIN = 45
"""Shorter darkness than this is no night to judge a lamp by."""
_LEAST_NOON_DEG = 1.0
"""Near the polar night a lamp may rightly burn through noon, or come on at any time before it."""
_HABIT_NIGHTS = 9
_LEAST_HABIT = 3
_SURE_LOG = 2.0
_CLEAR_LOG = 6.0
_CYCLING_DROPS = 4
_LEAST_WINDOW_MIN, _MOST_WINDOW_MIN = 5, 30
_OF_SPREAD = 2.5
_LUX_LOG = math.log(1.6)
_DEEP_DEG = -7.5
"""Below this the sky is too dark for a photocell to have had a reason."""
_WATCHED_MIN = 100
"""An early or late switching is looked for this far from the usual minute."""
_LEAST_DARK_MIN = 6
_NOT_DARK_LOG = 6.0
_MOVED_LOG = 0.5
"""A step elsewhere says little beside the one that is missing: clouds make steps too."""
_NEW_HABIT_NIGHTS = 35
"""A switching that is off for this long is how the lamp is run now."""
_WIDEST_DEG = 2.0
_GAIN_RATE, _LOSS_RATE = 0.05, 0.03
_LEAST_SHOWN_LOG, _TRUSTED_LOG = 0.5, 1.5
_DROWNED, _CLEAR = 2.0, 3.5
"""A lamp this many times the sky's unrest at its switching can't be told, or is sure to show."""


class Way(IntEnum):
    """How a lamp can have gone at one of its edges."""

    USUAL = 0
    BURNING = 1
    """On all through it."""
    EARLY_ON = 2
    LATE_ON = 3
    EARLY_OFF = 4
    LATE_OFF = 5


_MOVES = {True: (Way.EARLY_ON, Way.LATE_ON), False: (Way.LATE_OFF, Way.EARLY_OFF)}
"""By evening: moved into the day, moved into the night."""
NO_SCORES = (0.0,) * len(Way)


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedEdge:
    """An edge beside what was expected of it."""

    edge: Edge
    noon_deg: float
    """The sun at the noon next to it."""
    expected: int | None = None
    """Minute of the night; None while no habit is known, or the sun never gets there."""
    usual_deg: float | None = None
    deviation_min: float | None = None
    """Late is positive; None if the edge wasn't seen."""
    scores: tuple[float, ...] = NO_SCORES
    """By `Way`: log likelihood against an edge at which nothing showed."""
    usual_log: float = 0.0
    """As `scores[Way.USUAL]`, before it is weighed by how often such edges show at this lamp."""

    @property
    def normal(self) -> bool:
        return self.edge.sight is Sight.SEEN and self.usual_log >= _SURE_LOG

    def speaks_for(self, way: Way) -> float:
        """How much more this edge speaks for a way than for the usual one."""
        return self.scores[way] - self.scores[Way.USUAL]


@dataclass(kw_only=True)
class Habit:
    """One edge's elevation and lux over the last normal nights; nights by their grid's number."""

    elevation: deque[float] = field(default_factory=lambda: deque(maxlen=_HABIT_NIGHTS))
    lux: deque[float] = field(default_factory=lambda: deque(maxlen=_HABIT_NIGHTS))
    fast: deque[bool] = field(default_factory=lambda: deque(maxlen=_HABIT_NIGHTS))
    spread: deque[float] = field(default_factory=lambda: deque(maxlen=3 * _HABIT_NIGHTS))
    """Minutes by which normal nights missed the habit."""
    wrong_since: int | None = None
    shown: float = 3.0
    """What lately spoke for a usual switching, on average: little where the sky drowns the lamp."""

    @property
    def trust(self) -> float:
        """How much a switching that isn't seen means, 0 to 1."""
        shown = (self.shown - _LEAST_SHOWN_LOG) / (_TRUSTED_LOG - _LEAST_SHOWN_LOG)
        return min(max(shown, 0.0), 1.0)

    def show(self, usual: float) -> None:
        rate = _GAIN_RATE if usual > self.shown else _LOSS_RATE
        self.shown += rate * (min(max(usual, -MOST_LOG), MOST_LOG) - self.shown)

    @property
    def slow(self) -> bool:
        return 2 * sum(self.fast) < len(self.fast)

    @property
    def window_min(self) -> int:
        ordered = sorted(self.spread)
        spread = ordered[(2 * len(ordered)) // 3] if ordered else 3.0
        return round(min(max(_OF_SPREAD * spread + 3, _LEAST_WINDOW_MIN), _MOST_WINDOW_MIN))

    @property
    def wide(self) -> bool:
        """Whether its nights lie so far apart that they were guessed from noise."""
        ordered = sorted(self.elevation)
        quarter = len(ordered) // 4
        return ordered[-1 - quarter] - ordered[quarter] > _WIDEST_DEG

    def known(self, night: int) -> bool:
        if self.wrong_since is not None and night - self.wrong_since > _NEW_HABIT_NIGHTS:
            self._start_over()
        return len(self.elevation) >= _LEAST_HABIT

    def take(self, edge: Edge) -> None:
        assert edge.elevation_deg is not None
        self.elevation.append(edge.elevation_deg)
        if np.isfinite(edge.sky_lx):
            self.lux.append(edge.sky_lx)
        self.fast.append(edge.fast)
        self.wrong_since = None

    def miss(self, number: int) -> None:
        self.wrong_since = number if self.wrong_since is None else self.wrong_since

    def _start_over(self) -> None:
        self.elevation.clear()
        self.lux.clear()
        self.fast.clear()
        self.wrong_since = None


def judge(lights: Lights, found: list[Edge], habits: Mapping[bool, Habit]) -> list[JudgedEdge]:
    """Each edge against the habit up to the night before; `habits` (by evening) move on."""
    return [_judge_one(lights, edge, habits[edge.evening]) for edge in found]


def _judge_one(lights: Lights, edge: Edge, habit: Habit) -> JudgedEdge:
    noon_deg = float(lights.grid.sun_deg[edge.night, 0 if edge.evening else -1])
    number = lights.grid.number(edge.night)
    dark_min = int(lights.grid.is_night[edge.night].sum())
    if noon_deg < _LEAST_NOON_DEG or dark_min < LEAST_NIGHT_MIN:
        return JudgedEdge(edge=edge, noon_deg=noon_deg)
    if not habit.known(number):
        edge = _seen_by_evidence(lights, edge)
        if edge.sight is Sight.SEEN and _steady(lights, edge.night):
            habit.take(edge)
        return JudgedEdge(edge=edge, noon_deg=noon_deg)
    usual_deg = statistics.median(habit.elevation)
    expected = lights.grid.column(edge.night, usual_deg, evening=edge.evening)
    if expected is None or not 0 < expected < MINUTES - 1:
        return JudgedEdge(edge=edge, noon_deg=noon_deg, usual_deg=usual_deg)
    found = evidence(lights, edge.night, expected, evening=edge.evening, slow=habit.slow)
    judged = _Judge(lights=lights, habit=habit, expected=expected, found=found).judged(edge)
    judged = replace(judged, noon_deg=noon_deg, usual_deg=usual_deg)
    if any(judged.scores):
        habit.show(judged.usual_log)
    if judged.normal and _steady(lights, edge.night):
        habit.take(judged.edge)
        assert judged.deviation_min is not None
        habit.spread.append(abs(judged.deviation_min))
    elif judged.edge.sight is Sight.SEEN:
        habit.miss(number)
    return judged


def _steady(lights: Lights, night: int) -> bool:
    """Whether the lamp burned or not, but didn't cycle: a cycling lamp's edges are no habit."""
    dark = lights.state.dark[night] & lights.grid.is_night[night]
    return int((dark[1:] & ~dark[:-1]).sum()) < _CYCLING_DROPS


def _seen_by_evidence(lights: Lights, edge: Edge) -> Edge:
    """The edge at its likeliest minute, while there's no habit to go by."""
    if edge.sight is not Sight.NONE:
        return edge
    around = lights.grid.column(edge.night, -2.0, evening=edge.evening)
    if around is None:
        return edge
    found = evidence(lights, edge.night, around, evening=edge.evening, slow=False)
    if found is None:
        return edge
    log, minute = found.best(0, MINUTES)
    return edge if log < _CLEAR_LOG else lights.seen(edge.night, minute, evening=edge.evening)


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """One edge of one night beside the lamp's habit."""

    lights: Lights
    habit: Habit
    expected: int
    found: Evidence | None

    def judged(self, edge: Edge) -> JudgedEdge:
        usual = self._usual(edge)
        if edge.sight is Sight.NONE and self.found is not None:
            window = self._window(edge.night)
            log, minute = self.found.best(int(window[0]), int(window[-1]) + 1)
            if usual is not None and usual >= _SURE_LOG and log >= _CLEAR_LOG:
                edge = self.lights.seen(edge.night, minute, evening=edge.evening)
        deviation = None if edge.minute is None else edge.minute - self.expected
        return JudgedEdge(
            edge=edge, noon_deg=0.0, expected=self.expected, deviation_min=deviation,
            scores=self._scores(edge, usual), usual_log=usual or 0.0,
        )  # fmt: skip

    def _window(self, night: int) -> NDArray[np.int64]:
        """Minutes at which a usual switching shows: around the usual one, or under its light."""
        window = self.habit.window_min
        early = 8 if self.habit.slow else 1
        near = np.arange(self.expected - window - early, self.expected + window + 1)
        if not self.habit.lux:
            return near
        around = np.arange(self.expected - 2 * WRONG_MIN, self.expected + 2 * WRONG_MIN)
        beside = around + (-2 if self.expected < MIDNIGHT else 2)
        sky = self.lights.smooth[night, np.clip(beside, 0, MINUTES - 1)]
        usual_lx = max(statistics.median(self.habit.lux), 0.02)
        with np.errstate(invalid="ignore"):
            same = np.abs(np.log(np.maximum(sky, 0.02) / usual_lx)) < _LUX_LOG
        return np.union1d(near, around[same])

    def _usual(self, edge: Edge) -> float | None:
        """What speaks for a switching at the usual place; None if it can't be told."""
        if self._as_usual(edge):
            return MOST_LOG
        return None if self.found is None else self.found.somewhere(self._window(edge.night))

    def _as_usual(self, edge: Edge) -> bool:
        """Whether the edge was seen in its window, or under its usual light."""
        if edge.minute is None:
            return False
        deviation = edge.minute - self.expected
        if abs(deviation) <= self.habit.window_min:
            return True
        assert edge.elevation_deg is not None
        if (deviation > 0) == edge.evening and edge.elevation_deg < _DEEP_DEG:
            return False
        return abs(deviation) < 2 * WRONG_MIN and self._bright_as_usual(edge.sky_lx)

    def _bright_as_usual(self, sky_lx: float) -> bool:
        if not self.habit.lux or not math.isfinite(sky_lx):
            return False
        usual_lx = max(statistics.median(self.habit.lux), 0.02)
        return abs(math.log(max(sky_lx, 0.02) / usual_lx)) < _LUX_LOG

    def _scores(self, edge: Edge, usual: float | None) -> tuple[float, ...]:
        day_way, night_way = _MOVES[edge.evening]
        dark = self._dark_where_lit(edge)
        if dark and not self._as_usual(edge):
            return tuple(0.0 if way is night_way else -MOST_LOG for way in Way)
        if usual is None or self.habit.wide or (dark is None and usual <= 0):
            return NO_SCORES
        into_day, into_night = self._moved(edge)
        if dark is None or self._lit_inside(edge):
            into_night = -_NOT_DARK_LOG
        scores = [usual] * len(Way)
        scores[Way.BURNING] = 0.0
        scores[day_way], scores[night_way] = min(into_day, _MOVED_LOG), min(into_night, _MOVED_LOG)
        best = max(usual, 0.0)
        weight = self.habit.trust * self._clearness()
        return tuple(weight * max(one, best - MOST_LOG) for one in scores)

    def _clearness(self) -> float:
        """How clearly a usual switching would have shown, 0 to 1."""
        clear = 0.0 if self.found is None else self.found.clearness
        return min(max((clear - _DROWNED) / (_CLEAR - _DROWNED), 0.0), 1.0)

    def _moved(self, edge: Edge) -> tuple[float, float]:
        """What speaks for a switching on the day side, and on the night side, of the usual one."""
        wrong = max(WRONG_MIN, self.habit.window_min + 1)
        sides = [
            np.arange(self.expected - _WATCHED_MIN, self.expected - wrong),
            np.arange(self.expected + wrong, self.expected + _WATCHED_MIN),
        ]
        logs = [None if self.found is None else self.found.somewhere(side) for side in sides]
        day, night = ((-math.inf if one is None else one)
                      for one in (logs if edge.evening else logs[::-1]))  # fmt: skip
        if edge.minute is not None and abs(edge.minute - self.expected) >= wrong:
            if (edge.minute < self.expected) == edge.evening:
                day = max(day, MOST_LOG - 1)
            else:
                night = max(night, MOST_LOG - 1)
        # Into the day it may drown in the sky; into the night it shows.
        return max(day, -0.1), max(night, -3.0)

    def _lit_inside(self, edge: Edge) -> bool:
        """Whether it burned where a lamp that is moved into the night would be dark."""
        begin = self.expected + (3 if edge.evening else -WRONG_MIN - 3)
        span = slice(max(begin, 0), begin + WRONG_MIN)
        lit, dark = (mask[edge.night, span] for mask in
                     (self.lights.state.lit, self.lights.state.dark))  # fmt: skip
        return int(lit.sum()) >= WRONG_MIN // 2 and not dark.any()

    def _dark_where_lit(self, edge: Edge) -> bool | None:
        """Whether it was dark just inside the usual switching; None if the lamp isn't due there."""
        inside = self.habit.window_min + 1
        if edge.evening:
            span = slice(self.expected + inside, min(self.expected + inside + 40, MIDNIGHT))
        else:
            span = slice(max(self.expected - inside - 40, MIDNIGHT), self.expected - inside)
        is_night = self.lights.grid.is_night[edge.night, span]
        due = self.lights.state.due[edge.night, span]
        if is_night.sum() >= _LEAST_DARK_MIN and not due[is_night].any():
            return None
        dark, lit = (
            self.lights.state.dark[edge.night, span],
            self.lights.state.lit[edge.night, span],
        )
        return bool(dark.sum() >= _LEAST_DARK_MIN and dark.sum() > lit.sum() / 4)
