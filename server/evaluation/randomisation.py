"""Randomisation inference: where does what was seen stand among what other assignments would give?

The headline p for sensor outcomes. Model p-values on counts from streets fired in 27 to 87 % of
dates at which nothing had happened; the rank among sites is right by construction.
"""

from collections.abc import Callable
from itertools import combinations
from math import comb

import msgspec
import numpy as np

from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array

# Up to here every assignment is gone through; beyond, as many are drawn (and the seed reported).
ENUMERATE_UP_TO = 10_000
DRAWS = 9_999


class Assignments(msgspec.Struct, frozen=True, kw_only=True):
    """(assignments, sites) of 0/1, the real one first; `exact` when they are all there are."""

    treated: Array
    exact: bool
    smallest_p: float


def assignments(treated: Array, *, seed: int) -> Assignments:
    """Every way to choose as many sites as were treated, or `DRAWS` of them at random.

    With G sites and g treated the smallest p is 1/C(G, g) (Rosenbaum 2002, Observational Studies,
    2.4); drawn ones count the real assignment too, (1 + hits)/(1 + draws) (Phipson & Smyth 2010).
    """
    sites, chosen = len(treated), int(treated.sum())
    if not 0 < chosen < sites:
        raise BadRequest("randomisation needs treated and control sites")
    ways = comb(sites, chosen)
    if ways <= ENUMERATE_UP_TO:
        rows = np.zeros((ways, sites))
        for i, picked in enumerate(combinations(range(sites), chosen)):
            rows[i, list(picked)] = 1.0
        real = np.flatnonzero((rows == treated).all(axis=1))[0]
        rows[[0, real]] = rows[[real, 0]]
        return Assignments(treated=rows, exact=True, smallest_p=1 / ways)
    rng = np.random.default_rng(seed)
    drawn = np.tile(treated, (DRAWS + 1, 1))
    drawn[1:] = rng.permuted(drawn[1:], axis=1)
    return Assignments(treated=drawn, exact=False, smallest_p=1 / (DRAWS + 1))


def mean_differences(values: Array, sets: Assignments) -> Array:
    """(assignments,) mean of `values` (sites,) over the treated less that over the others."""
    chosen = sets.treated.sum(axis=1)
    others = sets.treated.shape[1] - chosen
    inside = sets.treated @ values
    return np.asarray(inside / chosen - (values.sum() - inside) / others, dtype=np.float64)


def p_value(statistics: Array, sets: Assignments) -> float:
    """Share of assignments whose statistic is at least as far from 0 as the real one (first)."""
    real = abs(statistics[0])
    # Ties are ties, also after rounding: the real one always counts itself.
    hits = int(np.sum(np.abs(statistics) >= real - 1e-12 * max(1.0, real)))
    return hits / len(statistics)


def interval(
    values: Array, treated: Array, sets: Assignments, *, level: float
) -> tuple[float, float]:
    """Effects that the test doesn't reject, by turning it around (Rosenbaum 2002, 2.6.2).

    Subtracting a constant effect from the treated shifts each assignment's statistic by a known
    amount, so the p of any effect is a count. Infinite where the smallest p is above 1 - level.
    """
    if sets.smallest_p > 1 - level:
        return -np.inf, np.inf
    centre = float(mean_differences(values, sets)[0])
    shift = mean_differences(treated, sets)
    statistics = mean_differences(values, sets)

    def p_of(effect: float) -> float:
        return p_value(statistics - effect * shift, sets)

    reach = 4 * float(np.ptp(values)) + 1e-9
    return (
        _edge(p_of, centre, centre - reach, 1 - level),
        _edge(p_of, centre, centre + reach, 1 - level),
    )


def _edge(p_of: Callable[[float], float], inside: float, outside: float, alpha: float) -> float:
    """The effect, between one that is kept and one far out, at which p falls to alpha."""
    if p_of(outside) > alpha:
        return float(np.sign(outside - inside) * np.inf)
    for _ in range(60):
        middle = (inside + outside) / 2
        if p_of(middle) > alpha:
            inside = middle
        else:
            outside = middle
    return outside
