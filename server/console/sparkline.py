"""A line of a word's size: what a stream did lately, with its gaps left as gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

WIDTH, HEIGHT = 120, 28
_EDGE = 3  # so that a dot at the border isn't cut
# Points further apart than this many windows have a gap between them.
_GAP_WINDOWS = 1.6


@dataclass(frozen=True, slots=True)
class Spark:
    """Polylines and single dots in a box of WIDTH x HEIGHT, and the same in words."""

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    gaps_n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Points:
    """Times (aware, rising) and values; None where nothing was measured."""

    times: Sequence[datetime]
    values: Sequence[float | None]


def draw(
    points: Points, *, since: datetime, until: datetime, window_s: float, least_span: float
) -> Spark | None:
    """The sparkline of what was measured from `since` to `until`; None without a single value.

    `least_span` is the smallest range of values that fills the height, so that a quiet sensor's
    own noise doesn't look like an event. Segments break where a window is missing or null.
    """
    known = [
        (time, value)
        for time, value in zip(points.times, points.values, strict=True)
        if value is not None and since <= time <= until
    ]
    if not known:
        return None
    low, high = min(v for _, v in known), max(v for _, v in known)
    middle, span = (low + high) / 2, max(high - low, least_span)
    long_s = (until - since).total_seconds()

    def place(time: datetime, value: float) -> tuple[float, float]:
        x = _EDGE + (WIDTH - 2 * _EDGE) * (time - since).total_seconds() / long_s
        y = HEIGHT / 2 - (HEIGHT - 2 * _EDGE) * (value - middle) / span
        return round(x, 1), round(y, 1)

    segments = [[place(*known[0])]]
    for (before, _), (time, value) in pairwise(known):
        if (time - before).total_seconds() > _GAP_WINDOWS * window_s:
            segments.append([])
        segments[-1].append(place(time, value))
    return Spark(
        lines=tuple(" ".join(f"{x},{y}" for x, y in s) for s in segments if len(s) > 1),
        dots=tuple(s[0] for s in segments if len(s) == 1),
        gaps_n=len(segments) - 1,
        low=low,
        high=high,
    )
