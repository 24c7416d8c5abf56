"""A manual tally against the counter over the same minutes: correction factor and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.errors import NodeError
from edge.recent_windows import CountedWindow

# Less of the time than this was looked at: the two didn't count the same people.
LEAST_VALID_SHARE = 0.95
METHOD = "exact conditional interval of the ratio of two Poisson counts (Clopper-Pearson)"


class CannotValidate(NodeError):
    """The tally can't be compared with the counter; nothing was sent."""


@dataclass(frozen=True)
class Factor:
    """True crossings for each one counted.

    Args:
        value: manual / counted; None when the counter saw nobody.
        low, high: 95 % interval; `high` is None where it has no end.
        n: Crossings tallied by hand.
    """

    value: float | None
    low: float
    high: float | None
    n: int


def factor(manual_n: int, counted_n: int, confidence: float = 0.95) -> Factor:
    """Correction factor with its interval; raises `CannotValidate` when both saw nobody.

    Given their sum, one of two independent Poisson counts is binomial with p = r / (1 + r), r the
    ratio of their means (Przyborowski and Wilenski, Biometrika 31, 1940): Clopper-Pearson limits
    of p, as beta quantiles, give those of r. Both watched the same people, which makes them less
    independent and the interval too wide rather than too narrow.
    """
    from scipy.special import betaincinv

    if not manual_n and not counted_n:
        raise CannotValidate(
            "nobody crossed, by hand and by the counter; choose a time with more people"
        )
    tail = (1 - confidence) / 2
    low_p = float(betaincinv(manual_n, counted_n + 1, tail)) if manual_n else 0.0
    high_p = float(betaincinv(manual_n + 1, counted_n, 1 - tail)) if counted_n else 1.0
    return Factor(
        value=manual_n / counted_n if counted_n else None,
        low=low_p / (1 - low_p),
        high=high_p / (1 - high_p) if counted_n else None,
        n=manual_n,
    )


@dataclass(frozen=True)
class Counted:
    """What the counter gave for one line between two moments."""

    a_to_b: int
    b_to_a: int
    lux_p50: float | None
    simulated: bool


def counted_between(
    windows: Sequence[CountedWindow], line: str, from_ms: int, to_ms: int
) -> Counted:
    """The counter's sums over whole windows that lie from `from_ms` to `to_ms` without a gap.

    Raises `CannotValidate` when they don't, when one of them was partly blind, or when the line
    isn't among them.
    """
    inside = [w for w in windows if w.t_ms < to_ms and w.end_ms > from_ms]
    _check_they_fit(inside, from_ms, to_ms)
    blind = [w for w in inside if w.valid_s < LEAST_VALID_SHARE * w.dur_s]
    if blind:
        raise CannotValidate(
            f"the counter saw only {blind[0].valid_s:.0f} of {blind[0].dur_s:.0f} s"
            f" ({', '.join(blind[0].flags) or 'no flag'}); tally again when it sees all the time"
        )
    sums, lux = [0, 0], [w.lux_p50 for w in inside if w.lux_p50 is not None]
    for window in inside:
        found = next((one for one in window.lines if one.line == line), None)
        if found is None:
            names = ", ".join(one.line for one in window.lines) or "none"
            raise CannotValidate(f"no line is called {line!r}; this node counts {names}")
        sums[0] += found.a_to_b or 0
        sums[1] += found.b_to_a or 0
    return Counted(
        a_to_b=sums[0],
        b_to_a=sums[1],
        lux_p50=sorted(lux)[len(lux) // 2] if lux else None,
        simulated=any("SIMULATED" in window.flags for window in inside),
    )


def _check_they_fit(inside: Sequence[CountedWindow], from_ms: int, to_ms: int) -> None:
    edges = [window.t_ms for window in inside] + [window.end_ms for window in inside]
    measured_ms = sum(window.end_ms - window.t_ms for window in inside)
    if edges and (min(edges), max(edges), measured_ms) == (from_ms, to_ms, to_ms - from_ms):
        return
    seen = f"{len(inside)} windows with {measured_ms / 1000:.0f} s" if inside else "no window"
    raise CannotValidate(
        f"the counter has {seen} for these {(to_ms - from_ms) / 1000:.0f} s; tally over whole"
        " windows (msl-node validate without --from waits for the next one), with the node running"
    )
