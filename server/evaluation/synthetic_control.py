"""Synthetic control: the treated site's course, rebuilt from sites that nothing was done to.

How sure it is comes from placebos: the same is done to every control site, and the treated one must
stand out among them.
"""

import msgspec
import numpy as np
from scipy import optimize

from server.evaluation.errors import BadRequest
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.linear import Array
from server.evaluation.panel import Mask, Panel
from server.evaluation.results import Estimate, Json, Result, estimate, refused
from server.evaluation.table import shown
from server.evaluation.verdict import verdict

# The row that makes weights sum to 1, as heavy as this many times the data.
_SUM_WEIGHT = 1e4
# A treated site whose fit before is worse than this share of its own spread was not rebuilt.
POOR_FIT = 0.5


class ScRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A panel with one treated site; `demean` rebuilds the course around each site's own level."""

    panel: Panel
    start: float
    demean: bool = False
    level: float = 0.95
    alpha: float = 0.05


class SyntheticFit(msgspec.Struct, frozen=True, kw_only=True):
    """Weights (donors,), gap treated - synthetic (times,), and root mean squares of the gap."""

    weights: Array
    gap: Array
    rmspe_before: float
    rmspe_after: float

    @property
    def ratio(self) -> float:
        """After over before: how much worse the fit became."""
        return self.rmspe_after / max(self.rmspe_before, 1e-300)


def simplex_weights(target: Array, donors: Array) -> Array:
    """Weights >= 0 that sum to 1 and make donors (donors, times) follow target (times,) best.

    Abadie, Diamond & Hainmueller 2010 (JASA 105:493) on outcomes alone, by non-negative least
    squares (Lawson & Hanson 1974) with one heavy row for the sum. A general optimiser started from
    equal weights stops there and calls it success, so none is used.
    """
    scale = max(float(np.sqrt(np.mean(donors**2))), 1e-300)
    heavy = _SUM_WEIGHT * scale
    a = np.vstack([donors.T, np.full(len(donors), heavy)])
    weights, _ = optimize.nnls(a, np.append(target, heavy), maxiter=50 * len(donors) + 1000)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def fit_synthetic(target: Array, donors: Array, before: Mask, *, demean: bool) -> SyntheticFit:
    """Weights from the times before, and the gap at all times.

    `demean` subtracts each series' mean before (Ferman & Pinto 2021, Quant Econ 12:1197).
    """
    if demean:
        target = target - target[before].mean()
        donors = donors - donors[:, before].mean(axis=1, keepdims=True)
    weights = simplex_weights(target[before], donors[:, before])
    gap = target - weights @ donors
    return SyntheticFit(
        weights=weights,
        gap=gap,
        rmspe_before=float(np.sqrt(np.mean(gap[before] ** 2))),
        rmspe_after=float(np.sqrt(np.mean(gap[~before] ** 2))),
    )


def synthetic_control(request: ScRequest) -> Result:
    """Mean gap after, its placebo p, each time's gap, weights, placebo in time, leave-one-out."""
    panel, method = request.panel, "synthetic control"
    mine = np.flatnonzero(panel.treated == 1)
    if len(mine) != 1:
        raise BadRequest(f"{len(mine)} treated units; synthetic control takes one, name it")
    before = panel.before(request.start)
    if before.all() or not before.any():
        raise BadRequest(f"no times {'after' if before.all() else 'before'} {request.start:g}")
    y = _rates(panel)
    target = y[mine[0]]
    holes = np.flatnonzero(~np.isfinite(target))
    if len(holes):
        return refused(
            method, len(y), f"{panel.sites[mine[0]]} was not measured at {panel.times[holes[0]]:g}"
            f" ({len(holes)} holes); nothing is filled in, so use longer steps or another window"
        )  # fmt: skip
    complete: Mask = np.array([bool(np.isfinite(row).all()) for row in y])
    donors = [i for i in range(len(y)) if complete[i] and i != mine[0]]
    left_out = [panel.sites[i] for i in np.flatnonzero(~complete)]
    if len(donors) < 2:
        return refused(method, len(y), f"{len(donors)} donors without holes; at least 2 are needed")
    if before.sum() < 5:
        return refused(method, len(y), f"{int(before.sum())} times before; at least 5 are needed")
    fit = fit_synthetic(target, y[donors], before, demean=request.demean)
    placebos = _placebos(y, donors, before, request.demean)
    ratios = np.array([placebo.ratio for placebo in placebos])
    p = float((1 + np.sum(ratios >= fit.ratio)) / (1 + len(ratios)))
    smallest = 1 / (1 + len(ratios))
    effect = float(fit.gap[~before].mean())
    low, high = _placebo_interval(fit, placebos, before, request.level)
    headline = estimate(
        "mean_gap_after", effect, "outcome", low=low, high=high, level=request.level, p=p,
        model="simplex weights; interval from the placebos' gaps",
    )  # fmt: skip
    spread = float(target[before].std())
    poor = spread > 0 and fit.rmspe_before > POOR_FIT * spread
    grade = maryland_grade(Design(treated_sites=1, control_sites=len(donors)))
    outcome, sentence = verdict(
        headline, p=p, alpha=request.alpha, grade=grade, smallest_p=smallest
    )
    if poor and outcome == "change":
        outcome, sentence = (
            "inconclusive",
            (
                "Inconclusive: the course before could not be rebuilt from the other sites, so the"
                f" gap after says nothing; Maryland grade {grade.level} of 5."
            ),
        )
    gaps = [
        estimate(f"gap_at_{time:g}", float(gap), "outcome")
        for time, gap in zip(panel.times[~before], fit.gap[~before], strict=True)
    ]
    warnings = [f"left out as donors, they have holes: {shown(left_out)}"] if left_out else []
    if poor:
        warnings.append(
            f"poor fit before: {fit.rmspe_before:.3g} against a spread of {spread:.3g}; try"
            " --demean, or a different method"
        )
    order = np.argsort(-fit.weights, kind="stable")
    weights: dict[str, Json] = {panel.sites[donors[k]]: float(fit.weights[k]) for k in order}
    return Result(
        method=method + (", demeaned" if request.demean else ""),
        n=1 + len(donors),
        estimates=[headline, *gaps],
        sensitivity=_leave_one_out(y, target, donors, fit, before, request, panel),
        p=p,
        p_kind="placebo rank of RMSPE after/before",
        smallest_p=smallest,
        alpha=request.alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={
            "weights": weights,
            "rmspe_before": fit.rmspe_before,
            "rmspe_after": fit.rmspe_after,
            "rmspe_ratio": fit.ratio,
            "rank": int(1 + np.sum(ratios >= fit.ratio)),
            "of": 1 + len(ratios),
            "placebo_in_time": _in_time(target, y[donors], before, request.demean),
        },
        warnings=warnings,
    )


def _rates(panel: Panel) -> Array:
    return panel.y if panel.exposure is None else panel.y / panel.exposure


def _placebos(y: Array, donors: list[int], before: Mask, demean: bool) -> list[SyntheticFit]:
    """Each donor rebuilt from the others; the treated site is never among them."""
    return [
        fit_synthetic(y[i], y[[j for j in donors if j != i]], before, demean=demean)
        for i in donors
    ]  # fmt: skip


def _placebo_interval(
    fit: SyntheticFit, placebos: list[SyntheticFit], before: Mask, level: float
) -> tuple[float, float]:
    """Effect less what placebos show by chance, each scaled to the treated site's fit before.

    The inverted rank test for a constant effect, with |mean gap| / RMSPE before as statistic
    (Firpo & Possebom 2018, J Causal Inference 6(2)). Infinite with too few donors for the level.
    """
    noise = np.sort([abs(p.gap[~before].mean()) / max(p.rmspe_before, 1e-300) for p in placebos])
    # kept while at least this many placebos are as far out, the site itself counted
    allowed = int(np.floor((1 - level) * (len(noise) + 1) + 1e-9))
    if allowed < 1:
        return -np.inf, np.inf
    reach = float(noise[len(noise) - allowed]) * fit.rmspe_before
    effect = float(fit.gap[~before].mean())
    return effect - reach, effect + reach


def _in_time(target: Array, donors: Array, before: Mask, demean: bool) -> Json:
    """Gap after a pretended start two thirds through the time before: it should be near 0."""
    past = int(before.sum())
    cut = past * 2 // 3
    if cut < 5:
        return None
    mask = np.arange(past) < cut
    fit = fit_synthetic(target[:past], donors[:, :past], mask, demean=demean)
    return {"mean_gap": float(fit.gap[~mask].mean()), "rmspe_ratio": fit.ratio}


def _leave_one_out(
    y: Array, target: Array, donors: list[int], fit: SyntheticFit, before: Mask,
    request: ScRequest, panel: Panel,
) -> list[Estimate]:  # fmt: skip
    """The effect without each donor that carries weight: none of them may make it."""
    rows = []
    for i, weight in zip(donors, fit.weights, strict=True):
        if weight < 0.01 or len(donors) < 3:
            continue
        others = y[[j for j in donors if j != i]]
        without = fit_synthetic(target, others, before, demean=request.demean)
        rows.append(
            estimate("mean_gap_after", float(without.gap[~before].mean()), "outcome",
                     model=f"without {panel.sites[i]}")
        )  # fmt: skip
    return rows
