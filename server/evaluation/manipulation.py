"""Did the light change at all? Asked first: without it, nothing else can have come from it."""

import numpy as np

from server.evaluation.evaluation import Check
from server.evaluation.linear import Array, t_interval
from server.evaluation.panel import Panel
from server.evaluation.results import estimate


def manipulation_check(panel: Panel, start: float, *, level: float = 0.95) -> Check:
    """The weekly light after dark, treated less control, before against after.

    Welch's interval over weeks, its variance inflated by (1 + r)/(1 - r) for the weeks' own memory
    r (Bayley & Hammersley 1946, JRSS Suppl 8:184), never by less than 1. Passed when the interval
    leaves out 0.
    """
    name = "light changed where it was meant to"
    rate = panel.y if panel.exposure is None else panel.y / panel.exposure
    series = _arm_mean(rate[panel.treated == 1])
    if (panel.treated == 0).any():
        series = series - _arm_mean(rate[panel.treated == 0])
    before = panel.before(start)
    early, late = (series[m & np.isfinite(series)] for m in (before, ~before))
    if min(len(early), len(late)) < 4:
        return Check(
            name=name, outcome="not possible",
            said="fewer than 4 weeks with light measured on one side of the intervention",
        )  # fmt: skip
    value = float(late.mean() - early.mean())
    se = float(np.sqrt(sum(_variance(part) for part in (early, late))))
    low, high, p = t_interval(value, se, min(len(early), len(late)) - 1, level)
    row = estimate("lux_change", value, "lx", se=se, low=low, high=high, p=p, level=level)
    passed = low > 0 or high < 0
    middles = [float(np.median(part)) for part in (early, late)]
    return Check(
        name=name, outcome="passed" if passed else "failed", estimate=row,
        said=f"light after dark changed by {value:+.3g} lx ({low:+.3g} to {high:+.3g}) against the"
        f" control sites; median week {middles[0]:.3g} lx before, {middles[1]:.3g} lx after",
    )  # fmt: skip


def _arm_mean(rate: Array) -> Array:
    """Mean over sites in weeks in which each was measured."""
    whole = np.isfinite(rate).all(axis=0)
    return np.where(whole, np.where(whole, rate, 0).mean(axis=0), np.nan)


def _variance(part: Array) -> float:
    deviation = part - part.mean()
    power = float(deviation @ deviation)
    memory = float(deviation[1:] @ deviation[:-1]) / power if power > 0 else 0.0
    memory = min(max(memory, 0.0), 0.9)
    return power / (len(part) - 1) / len(part) * (1 + memory) / (1 - memory)
