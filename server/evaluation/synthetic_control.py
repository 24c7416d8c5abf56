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
LEAST_BEFORE = 5


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


class Courses(msgspec.Struct, frozen=True, kw_only=True):
    """Rates (sites, times), which row is treated, which may be donors, which times lie before."""

    y: Array
    mine: int
    donors: list[int]
    before: Mask

    @property
    def target(self) -> Array:
        """(times,) the treated site's course."""
        return np.asarray(self.y[self.mine], dtype=np.float64)

    def fit(self, site: int, donors: list[int], *, demean: bool) -> SyntheticFit:
        """One site rebuilt from others."""
        return fit_synthetic(self.y[site], self.y[donors], self.before, demean=demean)


def synthetic_control(request: ScRequest) -> Result:
    """Mean gap after, its placebo p, each time's gap, weights, placebo in time, leave-one-out."""
    panel, courses = request.panel, _courses(request)
    why = _why_not(panel, courses)
    if why is not None:
        return refused("synthetic control", len(courses.y), why)
    donors, before = courses.donors, courses.before
    fit = courses.fit(courses.mine, donors, demean=request.demean)
    placebos = [
        courses.fit(i, [j for j in donors if j != i], demean=request.demean) for i in donors
    ]
    ratios = np.array([placebo.ratio for placebo in placebos])
    rank = int(1 + np.sum(ratios >= fit.ratio))
    p, smallest = rank / (1 + len(ratios)), 1 / (1 + len(ratios))
    low, high = _placebo_interval(fit, placebos, before, request.level)
    headline = estimate(
        "mean_gap_after", float(fit.gap[~before].mean()), "outcome", low=low, high=high,
        level=request.level, p=p, model="simplex weights; interval from the placebos' gaps",
    )  # fmt: skip
    grade = maryland_grade(Design(treated_sites=1, control_sites=len(donors)))
    outcome, sentence = verdict(
        headline, p=p, alpha=request.alpha, grade=grade, smallest_p=smallest
    )
    poor = _poor_fit(fit, courses)
    if poor and outcome == "change":
        outcome, sentence = "inconclusive", f"Inconclusive: {poor}; Maryland grade {grade.level}."
    return Result(
        method="synthetic control" + (", demeaned" if request.demean else ""),
        n=1 + len(donors),
        estimates=[headline, *_gaps(panel, fit, before)],
        sensitivity=_leave_one_out(courses, fit, request),
        p=p,
        p_kind="placebo rank of RMSPE after/before",
        smallest_p=smallest,
        alpha=request.alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={
            "weights": _named_weights(panel, courses, fit),
            "rmspe_before": fit.rmspe_before,
            "rmspe_after": fit.rmspe_after,
            "rmspe_ratio": fit.ratio,
            "rank": rank,
            "of": 1 + len(ratios),
            "placebo_in_time": _in_time(courses.target, courses.y[donors], before, request.demean),
        },
        warnings=[*_left_out(panel, courses), *([poor] if poor else [])],
    )


def _courses(request: ScRequest) -> Courses:
    panel = request.panel
    mine = np.flatnonzero(panel.treated == 1)
    if len(mine) != 1:
        raise BadRequest(f"{len(mine)} treated units; synthetic control takes one, name it")
    before = panel.before(request.start)
    if before.all() or not before.any():
        raise BadRequest(f"no times {'after' if before.all() else 'before'} {request.start:g}")
    y = panel.y if panel.exposure is None else panel.y / panel.exposure
    donors = [i for i in range(len(y)) if np.isfinite(y[i]).all() and i != mine[0]]
    return Courses(y=y, mine=int(mine[0]), donors=donors, before=before)


def _why_not(panel: Panel, courses: Courses) -> str | None:
    """Why there can be no answer, or None."""
    holes = np.flatnonzero(~np.isfinite(courses.target))
    if len(holes):
        return (
            f"{panel.sites[courses.mine]} was not measured at {panel.times[holes[0]]:g}"
            f" ({len(holes)} holes); nothing is filled in, so use longer steps or another window"
        )
    if len(courses.donors) < 2:
        return f"{len(courses.donors)} donors without holes; at least 2 are needed"
    if courses.before.sum() < LEAST_BEFORE:
        return f"{int(courses.before.sum())} times before; at least {LEAST_BEFORE} are needed"
    return None


def _poor_fit(fit: SyntheticFit, courses: Courses) -> str:
    """What is wrong with the course before, or nothing."""
    spread = float(courses.target[courses.before].std())
    if spread == 0 or fit.rmspe_before <= POOR_FIT * spread:
        return ""
    return (
        f"poor fit before ({fit.rmspe_before:.3g} against a spread of {spread:.3g}): the course"
        " could not be rebuilt from the other sites, so the gap after says nothing; try --demean"
    )


def _gaps(panel: Panel, fit: SyntheticFit, before: Mask) -> list[Estimate]:
    return [
        estimate(f"gap_at_{time:g}", float(gap), "outcome")
        for time, gap in zip(panel.times[~before], fit.gap[~before], strict=True)
    ]


def _named_weights(panel: Panel, courses: Courses, fit: SyntheticFit) -> dict[str, Json]:
    """Weights by site, heaviest first."""
    order = np.argsort(-fit.weights, kind="stable")
    return {panel.sites[courses.donors[k]]: float(fit.weights[k]) for k in order}


def _left_out(panel: Panel, courses: Courses) -> list[str]:
    kept = {courses.mine, *courses.donors}
    names = [site for i, site in enumerate(panel.sites) if i not in kept]
    return [f"left out as donors, they have holes: {shown(names)}"] if names else []


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
    if cut < LEAST_BEFORE:
        return None
    mask = np.arange(past) < cut
    fit = fit_synthetic(target[:past], donors[:, :past], mask, demean=demean)
    return {"mean_gap": float(fit.gap[~mask].mean()), "rmspe_ratio": fit.ratio}


def _leave_one_out(courses: Courses, fit: SyntheticFit, request: ScRequest) -> list[Estimate]:
    """The effect without each donor that carries weight: none of them may make it."""
    rows = []
    for i, weight in zip(courses.donors, fit.weights, strict=True):
        if weight < 0.01 or len(courses.donors) < 3:
            continue
        others = [j for j in courses.donors if j != i]
        without = courses.fit(courses.mine, others, demean=request.demean)
        rows.append(
            estimate(
                "mean_gap_after",
                float(without.gap[~courses.before].mean()),
                "outcome",
                model=f"without {request.panel.sites[i]}",
            )
        )
    return rows
