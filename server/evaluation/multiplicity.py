"""Several questions at once: adjusted p-values, so that asking often isn't rewarded."""

from collections.abc import Callable

import numpy as np

from server.evaluation.linear import Array


def holm(p: Array) -> Array:
    """(m,) adjusted p that keep the chance of any false finding at alpha.

    Holm 1979 (Scand J Statist 6:65): sorted, p_(i) (m - i + 1), made monotone. NaN (a question that
    was refused) stays NaN and doesn't count.
    """
    return _stepwise(
        p, lambda ranked: np.maximum.accumulate(ranked * np.arange(len(ranked), 0, -1))
    )


def benjamini_hochberg(p: Array) -> Array:
    """(m,) adjusted p that keep the share of false findings among findings at alpha.

    Benjamini & Hochberg 1995 (JRSS B 57:289): sorted, p_(i) m/i, made monotone from the top. For
    exploring many sensors; NaN as in `holm`.
    """

    def adjust(ranked: Array) -> Array:
        m = len(ranked)
        scaled = ranked * m / np.arange(1, m + 1)
        return np.asarray(np.minimum.accumulate(scaled[::-1])[::-1], dtype=np.float64)

    return _stepwise(p, adjust)


def _stepwise(p: Array, adjust: Callable[[Array], Array]) -> Array:
    asked = np.flatnonzero(np.isfinite(p))
    order = asked[np.argsort(p[asked], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1.0, adjust(p[order]))
    return adjusted
