"""Counts of a treated and a control area, before and after: relative effect and its uncertainty."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from scipy import optimize, special, stats

from server.evaluation.count_regression import poisson
from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array
from server.evaluation.results import Estimate, estimate

# Below this the normal approximation to a log count is not to be trusted.
SMALL_CELL = 10
# 80 % power, two-sided 5 %: 1.96 + 0.84.
_POWER_SUM = 2.8


class Cells(msgspec.Struct, frozen=True):
    """Before and after of one area; exposure in any unit (days, km2 x days), the same for all."""

    before: float
    after: float
    before_exposure: float = 1.0
    after_exposure: float = 1.0

    def rates(self) -> tuple[float, float]:
        """Count per exposure, before and after."""
        return self.before / self.before_exposure, self.after / self.after_exposure

    def plus_half(self) -> "Cells":
        """Both counts plus 0.5 (Haldane-Anscombe), for tables with an empty cell."""
        return msgspec.structs.replace(self, before=self.before + 0.5, after=self.after + 0.5)

    def counts(self) -> tuple[float, float]:
        """Before, after."""
        return self.before, self.after


def log_rirr(treated: Cells, control: Cells, *, phi: float = 1.0) -> tuple[float, float]:
    """ln RIRR and its standard error; RIRR = (b/a)/(d/c) = 1/RES.

    a, b are the treated area's counts before and after, c, d the control's, per exposure.
    RES = ad/bc and V(ln RES) = 1/a + 1/b + 1/c + 1/d: Farrington, Gill, Waples & Argomaniz 2007
    (J Exp Criminol 3:21, appendix); RIRR: Wilson 2022 (J Quant Criminol 38:847). V is multiplied by
    the dispersion `phi`. An empty cell adds 0.5 to all four.
    """
    if 0.0 in (*treated.counts(), *control.counts()):
        treated, control = treated.plus_half(), control.plus_half()
    (a, b), (c, d) = treated.rates(), control.rates()
    variance = sum(1 / count for count in (*treated.counts(), *control.counts()))
    return float(np.log(b * c / (a * d))), float(np.sqrt(phi * variance))


def ratio_estimate(
    name: str, log_value: float, se: float, *, level: float, df: float = np.inf, model: str = ""
) -> Estimate:
    """A ratio with interval and p, from its logarithm and the logarithm's standard error."""
    dist: Any = stats.norm if np.isinf(df) else stats.t(df)
    reach = float(dist.ppf(0.5 + level / 2)) * se
    return estimate(
        name,
        float(np.exp(log_value)),
        "ratio",
        se=se,
        low=float(np.exp(log_value - reach)),
        high=float(np.exp(log_value + reach)),
        level=level,
        p=float(2 * dist.sf(abs(log_value) / se)),
        df=df,
        model=model,
    )


def exact_rirr(
    treated: Cells, control: Cells, *, level: float, mid_p: bool = False
) -> Estimate:  # fmt: skip
    """RIRR given the table's margins: noncentral hypergeometric, no approximation.

    Four Poisson counts given both margins follow Fisher's noncentral hypergeometric law with odds
    RIRR x exposure ratio (Lehmann & Romano 2005, 4.5). Value: the conditional maximum likelihood;
    interval: both tails at (1 - level)/2; p: twice the smaller tail. With `mid_p` the observed
    table counts half in each tail (Lancaster 1961; Hirji 2006, Exact Analysis of Discrete Data):
    the plain tails hold the truth more often than `level` says, these about as often. Takes
    dispersion 1.
    """
    a, b = (round(v) for v in treated.counts())
    c, d = (round(v) for v in control.counts())
    exposures = (
        treated.after_exposure * control.before_exposure
        / (treated.before_exposure * control.after_exposure)
    )  # fmt: skip
    low_b, high_b = max(0, b - c), min(b + d, a + b)
    tail, half = (1 - level) / 2, 0.5 if mid_p else 0.0
    support = np.arange(low_b, high_b + 1)
    log_ways = -sum(
        special.gammaln(part + 1)
        for part in (support, a + b - support, b + d - support, c - b + support)
    )

    def law(log_odds: float) -> Array:
        shares = log_ways + support * log_odds
        shares = np.exp(shares - shares.max())
        return np.asarray(shares / shares.sum(), dtype=np.float64)

    def at_most(log_odds: float) -> float:
        shares = law(log_odds)
        return float(shares[: b - low_b + 1].sum() - half * shares[b - low_b])

    def at_least(log_odds: float) -> float:
        shares = law(log_odds)
        return float(shares[b - low_b :].sum() - half * shares[b - low_b])

    def root(share: Callable[[float], float], wanted: float) -> float:
        return float(np.exp(optimize.brentq(lambda x: share(x) - wanted, -20, 20))) / exposures

    def mean_off(log_odds: float) -> float:
        return float(law(log_odds) @ support) - b

    inside = low_b < b < high_b
    value = float(np.exp(optimize.brentq(mean_off, -20, 20))) / exposures if inside else (
        0.0 if b == low_b else np.inf
    )  # fmt: skip
    null = float(np.log(exposures))
    return estimate(
        "rirr",
        value,
        "ratio",
        low=0.0 if b == low_b else root(at_least, tail),
        high=np.inf if b == high_b else root(at_most, tail),
        level=level,
        p=min(1.0, 2 * min(at_most(null), at_least(null))),
        model="exact conditional, mid-p" if mid_p else "exact conditional",
    )


def rate_ratio(area: Cells, *, phi: float = 1.0, level: float) -> list[Estimate]:
    """After to before in one area: by logarithm, and exactly given the total.

    V(ln) = phi (1/before + 1/after). Exact: after ~ Binomial(total, share of exposure x ratio),
    Clopper-Pearson limits (Przyborowski & Wilenski 1940, Biometrika 31:313).
    """
    x, n = round(area.after), round(area.after + area.before)
    if n == 0:
        raise BadRequest("no counts at all, before or after: nothing to compare")
    e = area.after_exposure / area.before_exposure
    found = []
    if min(area.counts()) > 0:
        se = float(np.sqrt(phi * (1 / area.before + 1 / area.after)))
        log_value = float(np.log(area.after / area.before / e))
        found.append(
            ratio_estimate("rate_ratio", log_value, se, level=level, model=f"phi {phi:.3g}")
        )
    test = stats.binomtest(x, n, e / (1 + e))
    ci = test.proportion_ci(confidence_level=level, method="exact")
    odds = [share / (1 - share) / e if share < 1 else np.inf for share in (ci.low, x / n, ci.high)]
    below = float(stats.binom.cdf(x, n, e / (1 + e)))
    above = float(stats.binom.sf(x - 1, n, e / (1 + e)))
    found.append(
        estimate(
            "rate_ratio", odds[1], "ratio", low=odds[0], high=odds[2], level=level,
            p=min(1.0, 2 * min(below, above)), model="exact binomial",
        )
    )  # fmt: skip
    return found


def dispersion(
    counts: Array, exposure: Array, cell: list[str], time: list[str] | None
) -> tuple[float, int]:
    """Pearson's chi2/df of sub-period counts, and df: how much more they vary than Poisson's.

    `cell` names arm and period of each count. With `time` (the same labels in several arms) the
    months' common ups and downs are taken out first, since they cancel in the RIRR too; otherwise
    counts are set against their cell's own mean. McCullagh & Nelder 1989, 6.2.3. Never below 1 in
    use: a smaller value is chance, and would make intervals too narrow.
    """
    columns = _dummies(cell, drop_first=False)
    if time is not None:
        with_time = np.hstack([columns, _dummies(time, drop_first=True)])
        columns = _independent(with_time)
    if len(counts) <= columns.shape[1]:
        raise BadRequest(
            f"{len(counts)} sub-periods can't give a dispersion beside {columns.shape[1]} means"
        )
    fit = poisson(counts, columns, np.log(exposure))
    return fit.phi, fit.df


def _dummies(labels: list[str], *, drop_first: bool) -> Array:
    names = sorted(set(labels))[1 if drop_first else 0 :]
    return np.array([[float(label == name) for name in names] for label in labels])


def _independent(columns: Array) -> Array:
    """Columns that add to the ones before them."""
    kept: list[int] = []
    for j in range(columns.shape[1]):
        if np.linalg.matrix_rank(columns[:, [*kept, j]]) == len(kept) + 1:
            kept.append(j)
    return columns[:, kept]


def smallest_detectable_drop(treated: Cells, control: Cells, *, phi: float) -> float | None:
    """Least reduction (percent) that such counts show with 80 % power at two-sided 5 %.

    1 - exp(-2.8 se): with 20, 100 or 400 a cell and phi 1 that is 71, 43 or 24 percent.
    """
    counts = (*treated.counts(), *control.counts())
    if min(counts) == 0:
        return None
    se = np.sqrt(phi * sum(1 / count for count in counts))
    return float(100 * (1 - np.exp(-_POWER_SUM * se)))
