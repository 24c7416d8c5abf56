"""Early and late switching: against the lamp's own habit in sun elevation, and in its own lux.

A photocell is right when it switches at its usual light, a clock when it switches at its usual
elevation; so only a switching that is off by both is wrong. One bad night is weather; three nights
running are a fault.
"""

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from server.lighting.edges import Edge, Lights, Sight
from server.lighting.night_grid import MINUTES

LATE_MIN = 15
NIGHTS_TO_OPEN = 3
_MISSING_TO_OPEN = 5
NIGHTS_TO_CLOSE = 2
_MOST_NIGHTS_APART = 6
_LUX_FACTOR = 1.5
_DEEP_DEG = -7.5
"""Below this the sky is too dark for a photocell to have had a reason."""
_LEAST_NOON_DEG = 1.0
"""Near the polar night a lamp may rightly burn through noon, or come on at any time before it."""
_AROUND_MIN = 10
_FAST_OF_SKY, _SLOW_OF_SKY = 0.25, 1.2
"""A lamp stands out of the sky if it is this share of it; see `edges`."""
_HABIT_NIGHTS = 9
_LEAST_HABIT, _LEAST_TRUSTED = 4, 6
_TRUSTED_DEG, _USABLE_DEG = 1.6, 2.5
"""Middle half of the elevations at which a lamp switches; photocells under clouds take a degree."""
_OF_SPREAD = 3.0
"""Where normal nights scatter (slow twilight, a photocell, changing skies), so does a fault."""
_RATE_STEP, _LEAST_RATE = 0.025, 0.45
"""Two weeks without a step are believed; a lamp whose steps are often not seen isn't."""
_FORGET_NIGHTS = 60
_NEW_HABIT_NIGHTS = 35
"""A switching that is off for this long is how the lamp is run now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedEdge:
    """An edge beside what was expected of it."""

    edge: Edge
    expected: int | None
    """Minute of the night; None while no habit is known, or the sun never gets there."""
    deviation_min: float | None = None
    """Late is positive; None if the edge wasn't seen."""
    missing: bool = False
    """A step was due at the usual time, would have shown, and didn't come then."""
    quiet: bool = False
    """As `missing`, on weaker evidence: the step might have drowned in the sky."""
    wrong: int = 0
    """-1 early, +1 late, 0 as usual or not known."""

    @property
    def normal(self) -> bool:
        return self.edge.sight is Sight.SEEN and self.expected is not None and self.wrong == 0


@dataclass(frozen=True, kw_only=True)
class SwitchingFault:
    """Nights on which one edge was early, or late."""

    evening: bool
    late: bool
    judged: tuple[JudgedEdge, ...]
    """The wrong nights, in order."""
    closed_by: JudgedEdge | None


@dataclass(kw_only=True)
class Habit:
    """One edge's elevation and lux over the last normal nights; nights by their grid's number."""

    elevation: deque[float] = field(default_factory=lambda: deque(maxlen=_HABIT_NIGHTS))
    lux: deque[float] = field(default_factory=lambda: deque(maxlen=_HABIT_NIGHTS))
    fast: deque[bool] = field(default_factory=lambda: deque(maxlen=_HABIT_NIGHTS))
    spread: deque[float] = field(default_factory=lambda: deque(maxlen=3 * _HABIT_NIGHTS))
    """Minutes by which normal nights missed the habit."""
    seen_rate: float = 0.8
    """How often, lately, a step was seen that should have shown."""
    last_night: int = -1_000_000
    wrong_since: int | None = None

    def scatter_deg(self) -> float:
        """Width of the middle half of the elevations: wide where steps are guessed from noise."""
        ordered = sorted(self.elevation)
        return ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]

    @property
    def trusted(self) -> bool:
        """Whether a step that doesn't come may be called missing."""
        return (
            self.seen_rate > _LEAST_RATE
            and len(self.elevation) >= _LEAST_TRUSTED
            and self.scatter_deg() < _TRUSTED_DEG
        )

    def known(self, night: int) -> bool:
        if night - self.last_night > _FORGET_NIGHTS and self.wrong_since is None:
            self.elevation.clear()
            self.lux.clear()
        return len(self.elevation) >= _LEAST_HABIT

    def take(self, number: int, edge: Edge, elevation: float) -> None:
        self.elevation.append(elevation)
        if np.isfinite(edge.sky_lx):
            self.lux.append(edge.sky_lx)
        self.fast.append(edge.fast)
        self.last_night, self.wrong_since = number, None

    def count(self, *, seen: bool) -> None:
        self.seen_rate += _RATE_STEP * (float(seen) - self.seen_rate)

    def start_over(self) -> None:
        self.elevation.clear()
        self.lux.clear()
        self.wrong_since = None


def judge(lights: Lights, found: list[Edge], habits: Mapping[bool, Habit]) -> list[JudgedEdge]:
    """Each edge against the habit up to the night before; `habits` (by evening) move on."""
    return [_judge_one(lights, edge, habits[edge.evening]) for edge in found]


def _judge_one(lights: Lights, edge: Edge, habit: Habit) -> JudgedEdge:
    noon_deg = lights.grid.sun_deg[edge.night, 0 if edge.evening else -1]
    if noon_deg < _LEAST_NOON_DEG:
        return JudgedEdge(edge=edge, expected=None)
    elevation, number = _elevation(lights, edge), lights.grid.number(edge.night)
    if not habit.known(number):
        if elevation is not None:
            habit.take(number, edge, elevation)
        return JudgedEdge(edge=edge, expected=None)
    usual_deg = statistics.median(habit.elevation)
    expected = lights.grid.column(edge.night, usual_deg, evening=edge.evening)
    if expected is None:
        return JudgedEdge(edge=edge, expected=None)
    slow = 2 * sum(habit.fast) < len(habit.fast)
    if edge.minute is None or elevation is None:
        none = edge.sight is Sight.NONE and habit.trusted
        if edge.sight is Sight.NONE and _stands_out(lights, edge, expected, slow=slow):
            habit.count(seen=False)
        return JudgedEdge(
            edge=edge, expected=expected,
            missing=none and _would_show(lights, edge, expected, slow=slow),
            quiet=edge.sight is Sight.NONE
            and habit.scatter_deg() < _USABLE_DEG
            and _would_show(lights, edge, expected, slow=slow, sureness=0.5),
        )  # fmt: skip
    deviation = edge.minute - expected
    wrong = _wrong(edge, deviation, elevation, habit)
    if wrong == 0:
        habit.take(number, edge, elevation)
        habit.spread.append(abs(deviation))
        habit.count(seen=True)
    else:
        habit.wrong_since = number if habit.wrong_since is None else habit.wrong_since
        if number - habit.wrong_since > _NEW_HABIT_NIGHTS:
            habit.start_over()
    by_day = wrong != 0 and (wrong > 0) != edge.evening
    return JudgedEdge(
        edge=edge, expected=expected, deviation_min=deviation, wrong=wrong,
        missing=by_day and habit.trusted and _would_show(lights, edge, expected, slow=slow),
    )  # fmt: skip


def _elevation(lights: Lights, edge: Edge) -> float | None:
    if edge.minute is None:
        return None
    return float(lights.grid.sun_deg[edge.night, min(edge.minute, MINUTES - 1)])


def _wrong(edge: Edge, deviation: float, elevation: float, habit: Habit) -> int:
    spread = statistics.median(habit.spread) if habit.spread else 0.0
    if abs(deviation) <= max(LATE_MIN, _OF_SPREAD * spread) or habit.scatter_deg() > _USABLE_DEG:
        return 0
    late = deviation > 0
    darker_is_wrong = late == edge.evening
    if darker_is_wrong and elevation < _DEEP_DEG:
        return 1 if late else -1
    usual_lx = statistics.median(habit.lux) if habit.lux else float("nan")
    if not (np.isfinite(usual_lx) and np.isfinite(edge.sky_lx)):
        return 0
    factor = max(edge.sky_lx, 0.02) / max(usual_lx, 0.02)
    off = factor < 1 / _LUX_FACTOR if darker_is_wrong else factor > _LUX_FACTOR
    return (1 if late else -1) if off else 0


def _would_show(
    lights: Lights, edge: Edge, expected: int, *, slow: bool, sureness: float = 1.0
) -> bool:
    """Whether the usual step would have stood out at the usual time, and nothing like it did."""
    if not _stands_out(lights, edge, expected, slow=slow, sureness=sureness):
        return False
    here = slice(max(expected - _AROUND_MIN, 0), min(expected + _AROUND_MIN, MINUTES))
    own_lx = float(lights.own_lx[edge.night, 0 if edge.evening else 1])
    steps = (lights.slow if slow else lights.fast)[edge.night, here]
    most = float(np.nanmax(steps if edge.evening else -steps))
    return most < 0.4 * own_lx


def _stands_out(
    lights: Lights, edge: Edge, expected: int, *, slow: bool, sureness: float = 1.0
) -> bool:
    """Whether the lamp is bright enough beside the sky, and the sky calm enough."""
    begin, end = max(expected - _AROUND_MIN, 0), min(expected + _AROUND_MIN, MINUTES)
    around = lights.smooth[edge.night, begin:end]
    known = np.sort(around[~np.isnan(around)])
    if known.size < 0.9 * (end - begin):
        return False
    own_lx = float(lights.own_lx[edge.night, 0 if edge.evening else 1])
    beside_lx, least_lx = float(known[known.size // 2]), float(known[0])
    unrest = float(lights.unrest[edge.night, begin])
    of_sky, of_unrest = (_SLOW_OF_SKY, 8.0) if slow else (_FAST_OF_SKY, 4.0)
    if not unrest < 1.0 or least_lx < 0.8 * own_lx:
        return False
    sky_lx = max(of_sky * (beside_lx - own_lx), of_unrest * unrest * beside_lx)
    return own_lx > sureness * sky_lx


def switching_faults(judged: list[JudgedEdge]) -> list[SwitchingFault]:
    """Runs of three and more nights on which the same edge was wrong in the same way."""
    faults = []
    for evening in (True, False):
        own = [one for one in judged if one.edge.evening == evening]
        for late in (False, True):
            faults += _runs(own, evening=evening, late=late)
    return faults


def _runs(own: list[JudgedEdge], *, evening: bool, late: bool) -> list[SwitchingFault]:
    faults: list[SwitchingFault] = []
    run: list[JudgedEdge] = []
    right = 0

    def close(by: JudgedEdge | None) -> None:
        if _enough(run):
            faults.append(
                SwitchingFault(evening=evening, late=late, judged=tuple(run), closed_by=by)
            )
        run.clear()

    for one in own:
        if _counts(one, evening=evening, late=late):
            if run and one.edge.night - run[-1].edge.night > _MOST_NIGHTS_APART:
                close(one)
            run.append(one)
            right = 0
        elif one.normal or one.wrong != 0:
            right += 1
            if run and right >= (NIGHTS_TO_CLOSE if _enough(run) else 1):
                close(one)
    close(None)
    return faults


def _enough(run: list[JudgedEdge]) -> bool:
    """Three nights on which it was seen, or five on which it was only missing."""
    seen = any(one.wrong != 0 for one in run)
    return len(run) >= (NIGHTS_TO_OPEN if seen else _MISSING_TO_OPEN)


def _counts(one: JudgedEdge, *, evening: bool, late: bool) -> bool:
    if one.missing:
        # The step fell into daylight: on came early, off came late.
        return late != evening
    return one.wrong == (1 if late else -1)
