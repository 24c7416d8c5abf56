"""Counting how often an interval holds the truth and how often nothing is called something."""

import math
from collections.abc import Callable

import msgspec
import numpy as np


class Answer(msgspec.Struct, frozen=True):
    """One run's estimate, whether its interval holds the truth (None: there is none), and p."""

    value: float
    holds: bool | None
    p: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What `runs` runs of one method in one setting gave; `code` is the hash of what computed."""

    method: str
    setting: str
    runs: int
    refused: int
    bias: float | None
    coverage: float | None
    false_positive: float
    code: str = ""

    def monte_carlo_error(self, share: float) -> float:
        """Standard error of a share of `runs`."""
        return math.sqrt(max(share * (1 - share), 1e-9) / max(self.runs, 1))


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One row still to be computed."""

    method: str
    setting: str
    runs: int
    compute: Callable[[], Figures]

    def done(self, row: Figures, code: str) -> bool:
        """Whether a kept row is this one, computed with this code."""
        asked = (self.method, self.setting, self.runs, code)
        return asked == (row.method, row.setting, row.runs + row.refused, row.code)


def _mean(values: list[float], truth: float) -> float | None:
    """Mean less truth; None where a value has no logarithm (a count of 0)."""
    return float(np.mean(values)) - truth if values and all(map(math.isfinite, values)) else None


def tally(
    method: str,
    setting: str,
    runs: int,
    one_run: Callable[[np.random.Generator], Answer | None],
    *,
    truth: float,
    null: Callable[[np.random.Generator], Answer | None] | None = None,
    seed: int = 20260301,
) -> Figures:
    """Run with the effect for bias and coverage, and without for the false-positive rate.

    With `truth` 0 one set of runs serves both. A run that refuses gives None and is counted.
    """
    answers = [one_run(np.random.default_rng([seed, i])) for i in range(runs)]
    given = [answer for answer in answers if answer is not None]
    nulls = given
    if null is not None:
        found = [null(np.random.default_rng([seed + 1, i])) for i in range(runs)]
        nulls = [answer for answer in found if answer is not None]
    bounded = [a.holds for a in given if a.holds is not None]
    return Figures(
        method=method,
        setting=setting,
        runs=len(given),
        refused=runs - len(given),
        bias=_mean([a.value for a in given], truth),
        coverage=float(np.mean(bounded)) if bounded else None,
        false_positive=float(np.mean([a.p <= 0.05 for a in nulls])) if nulls else math.nan,
    )
