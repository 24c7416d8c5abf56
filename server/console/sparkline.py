"""A line of a word's size: what a stream did lately, with its gaps left as gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 120, 28
_EDGE = 3  # so that a dot at the border isn't cut
# Less than this share of a window may lie between two windows without being a gap.
_GAP_WINDOWS = 0.6


@dataclass(frozen=True, slots=True)
class Spark:
    """Polylines and single dots in a box of WIDTH x HEIGHT; gaps at either end count too."""

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    gaps_n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Points:
    """Windows: begin (s since 1970, rising), length, value; None where nothing was measured."""

    times_s: Sequence[int]
    durs_s: Sequence[float]
    values: Sequence[float | None]


def draw(
    points: Points, *, since_s: float, until_s: float, grace_s: float, least_span: float
) -> Spark | None:
    """The sparkline of what was measured from `since_s` to `until_s`; None without a value.

    `least_span` is the smallest range of values that fills the height, so that a quiet sensor's
    own noise doesn't look like an event. Segments break where a window is missing or null. The
    newest window may be under way, and the one before it for `grace_s` longer.
    """
    windows = zip(points.times_s, points.durs_s, points.values, strict=True)
    known = [
        (time_s, dur_s, value)
        for time_s, dur_s, value in windows
        if value is not None and since_s <= time_s <= until_s
    ]
    if not known:
        return None
    low, high = min(value for *_, value in known), max(value for *_, value in known)
    longest_s = max(dur_s for _, dur_s, _ in known)
    x_per_s = (WIDTH - 2 * _EDGE) / (until_s - since_s)
    y_per_one = (HEIGHT - 2 * _EDGE) / max(high - low, least_span)
    middle = (low + high) / 2
    placed = [
        (_EDGE + (time_s - since_s) * x_per_s, HEIGHT / 2 - (value - middle) * y_per_one)
        for time_s, _, value in known
    ]
    starts = [0] + [
        n + 1
        for n, ((before_s, dur_s, _), (time_s, *_)) in enumerate(pairwise(known))
        if time_s - before_s - dur_s > _GAP_WINDOWS * longest_s
    ]
    ended_s = known[-1][0] + known[-1][1]
    open_ends_n = (known[0][0] - since_s > longest_s) + (until_s - ended_s > longest_s + grace_s)
    segments = [placed[a:b] for a, b in pairwise([*starts, len(placed)])]
    return Spark(
        lines=tuple(" ".join(f"{x:.1f},{y:.1f}" for x, y in s) for s in segments if len(s) > 1),
        dots=tuple((round(s[0][0], 1), round(s[0][1], 1)) for s in segments if len(s) == 1),
        gaps_n=len(segments) - 1 + open_ends_n,
        low=low,
        high=high,
    )
