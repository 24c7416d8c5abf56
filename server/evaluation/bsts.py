"""Bayesian structural time series: what would have been, from a drifting level and control sites.

The model of CausalImpact with an own Gibbs sampler: y = level + season + controls' regression +
noise, the level a random walk, the regression under spike and slab so that controls that don't help
drop out. 2,000 draws of a hundred points take about a second.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from server.evaluation.errors import BadRequest
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.linear import Array
from server.evaluation.moments import Kind, label
from server.evaluation.results import Estimate, Result, estimate, refused
from server.evaluation.verdict import verdict

LEAST_BEFORE = 12
# Below this the wander is hardly seen (benchmarks.evaluation streets has 12 weeks before).
TRUSTED_BEFORE = 50
# CausalImpact's: prior weight of the level's step, and of the regression (bsts' SpikeSlabPrior).
CAUSAL_IMPACT_SD = 0.01
_LEVEL_DF = 32.0
_EXPECTED_MODEL_SIZE = 3.0
_EXPECTED_R2 = 0.8
_PRIOR_DF = 50.0
# Where the level's wander is estimated: noise prior that hardly counts, no idea where it begins,
# step sds from still to as wild as y itself.
_WEAK_DF = 1.0
_DIFFUSE = 1e-6
_STEP_GRID = np.geomspace(0.001, 1.0, 61)
_STEP_SCALE = 0.1
_INFORMATION_WEIGHT = 0.01
_DIAGONAL_SHRINKAGE = 0.5
# Sets of controls whose algebra is kept at a time.
_SETS_KEPT = 2000


class BstsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One series, its controls (each (n,)), the first time after and, if wanted, the last.

    How far the level wanders is estimated. With `level_sd` (a step's standard deviation, in those
    of y) it is believed instead, together with CausalImpact's other priors: to repeat what that
    program gives.
    """

    time: Array
    y: Array
    controls: dict[str, Array]
    start: float
    kind: Kind = "number"
    until: float | None = None
    draws: int = 2000
    season: int = 0
    level_sd: float | None = None
    level: float = 0.95
    alpha: float = 0.05
    seed: int = 1


class Draws(msgspec.Struct, frozen=True, kw_only=True):
    """Posterior after burn-in: what would have been, noise and all, `path` (draws, n).

    `inclusion` (k,) is the share of draws a control is in; the sds (draws,) are in y's unit.
    """

    path: Array
    inclusion: Array
    step_sd: Array
    noise_sd: Array


def bsts(request: BstsRequest) -> Result:
    """Mean and summed effect after the start, relative effect, tail probability, inclusion."""
    method = "Bayesian structural time series, own Gibbs sampler"
    keep = np.ones(len(request.time), dtype=bool)
    if request.until is not None:
        keep = request.time <= request.until
    time, y = request.time[keep], request.y[keep]
    if np.any(np.diff(time) <= 0):
        raise BadRequest("times must increase and stand once each")
    before = time < request.start
    if before.all() or not before.any():
        raise BadRequest(f"no times {'after' if before.all() else 'before'} the intervention")
    seen = int(np.isfinite(y[before]).sum())
    if seen < LEAST_BEFORE:
        return refused(method, seen, f"{seen} points before; at least {LEAST_BEFORE} are needed")
    names, x = list(request.controls), _columns(request, keep)
    holes = [name for name, column in zip(names, x.T, strict=True) if np.isnan(column).any()]
    if holes:
        return refused(
            method, len(y), f"control {holes[0]} has holes, and a control can't be guessed: leave"
            " it out or use longer steps"
        )  # fmt: skip
    if np.nanstd(y[before]) == 0:
        return refused(method, len(y), "the outcome never moved before: a dead sensor, perhaps")
    x, season_columns = _with_season(x, len(y), request.season)
    draws = sample(
        y, x, before, level_sd=request.level_sd, draws=request.draws, seed=request.seed,
        always=season_columns,
    )  # fmt: skip
    return _summary(request, method, names, y, before, draws)


def bsts_and_causal_impact(request: BstsRequest) -> Result:
    """`bsts`, and beside it what CausalImpact's belief in a level that hardly moves would say."""
    result = bsts(request)
    if request.level_sd is not None or result.refusal is not None:
        return result
    believed = bsts(msgspec.structs.replace(request, level_sd=CAUSAL_IMPACT_SD))
    beside = [
        msgspec.structs.replace(row, model="CausalImpact's priors") for row in believed.estimates
    ]
    return msgspec.structs.replace(result, sensitivity=[*beside, *result.sensitivity])


def _summary(
    request: BstsRequest, method: str, names: list[str], y: Array, before: NDArray[np.bool_],
    draws: Draws,
) -> Result:  # fmt: skip
    after = ~before & np.isfinite(y)
    effect = y[after] - draws.path[:, after]
    mean_effect = effect.mean(axis=1)
    # The tail area of the summed effect, both sides: CausalImpact's p times two.
    one_sided = max(1, int(min((mean_effect >= 0).sum(), (mean_effect <= 0).sum()))) / (
        len(mean_effect) + 1
    )
    p = min(1.0, 2 * one_sided)
    rows = _rows(request, y, before, draws)
    headline = msgspec.structs.replace(rows[0], p=p, model="posterior mean and quantiles")
    rows[0] = headline
    grade = maryland_grade(Design(treated_sites=1, control_sites=len(names)))
    outcome, sentence = verdict(headline, p=p, alpha=request.alpha, grade=grade)
    points = [
        _row(request, f"effect_at_{label(float(t), request.kind)}", effect[:, j], "outcome")
        for j, t in enumerate(request.time[: len(y)][after])
    ]
    warnings = ["an interval of the model, not of an experiment: look at placebo dates as well"]
    if request.level_sd is not None:
        warnings.append(
            f"believes that the level steps by {request.level_sd:g} of y's spread (--level-sd);"
            " where it wanders more, such an interval is far too narrow (with 0.01, and a tenth of"
            " the noise a step, it held the truth in 6 of 10 simulated cases)"
        )
    if not names:
        warnings.append("no control series: the level alone says what would have been")
    if before.sum() < TRUSTED_BEFORE:
        warnings.append(
            f"{int(before.sum())} points before, fewer than {TRUSTED_BEFORE}: too few to say how"
            " far the level wanders, so the interval may be too narrow (with CausalImpact's priors"
            " and 12 weeks of real streets it held the truth in four of five cases, not in 19 of"
            " 20)"
        )
    missing = int((~np.isfinite(y)).sum())
    if missing:
        warnings.append(f"{missing} points without a measurement; the model bridges them")
    return Result(
        method=method,
        n=len(y),
        estimates=rows,
        sensitivity=points,
        p=p,
        p_kind="posterior tail area, two-sided",
        smallest_p=2 / (len(mean_effect) + 1),
        alpha=request.alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={
            "posterior_probability_of_effect": 1 - one_sided,
            "one_sided_tail": one_sided,
            "draws_kept": len(mean_effect),
            "inclusion": {
                name: float(share) for name, share in zip(names, draws.inclusion, strict=False)
            },
            "level_step_sd": float(np.median(draws.step_sd)),
            "noise_sd": float(np.median(draws.noise_sd)),
        },
        warnings=warnings,
        seed=request.seed,
    )


def _rows(
    request: BstsRequest, y: Array, before: NDArray[np.bool_], draws: Draws
) -> list[Estimate]:
    """Mean, relative and summed effect after, and what would have been."""
    after = ~before & np.isfinite(y)
    expected = draws.path[:, after]
    effect = y[after] - expected
    found = (
        ("mean_effect_after", effect.mean(axis=1), "outcome"),
        ("relative_effect", effect.sum(axis=1) / expected.sum(axis=1), "share"),
        ("sum_of_effects", effect.sum(axis=1), "outcome"),
        ("predicted_mean_after", expected.mean(axis=1), "outcome"),
        ("predicted_sum_after", expected.sum(axis=1), "outcome"),
    )
    rows = [_row(request, name, values, unit) for name, values, unit in found]
    return [*rows, estimate("observed_mean_after", float(y[after].mean()), "outcome")]


def _row(request: BstsRequest, name: str, values: Array, unit: str) -> Estimate:
    """Mean and quantiles of draws."""
    tail = (1 - request.level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return estimate(
        name, float(values.mean()), unit, se=float(values.std(ddof=1)), low=float(low),
        high=float(high), level=request.level, model="posterior",
    )  # fmt: skip


def _columns(request: BstsRequest, keep: NDArray[np.bool_]) -> Array:
    if not request.controls:
        return np.zeros((int(keep.sum()), 0))
    return np.column_stack([values[keep] for values in request.controls.values()])


def _with_season(x: Array, n: int, season: int) -> tuple[Array, int]:
    """Fixed dummies for a season behind the controls; they are always in the model."""
    if season < 2:
        return x, 0
    phase = np.arange(n) % season
    dummies = np.column_stack([(phase == j).astype(np.float64) for j in range(1, season)])
    return np.hstack([x, dummies]), season - 1


def sample(
    y: Array, x: Array, before: NDArray[np.bool_], *, level_sd: float | None, draws: int, seed: int,
    always: int = 0,
) -> Draws:  # fmt: skip
    """Gibbs sampler for y_t = mu_t + x_t b + e_t, mu_t = mu_(t-1) + w_t, fitted on `before`.

    Brodersen, Gallusser, Koehler, Remy & Scott 2015 (Ann Appl Stat 9:247): everything standardised
    by the time before; spike and slab (George & McCulloch 1997, Statistica Sinica 7:339) with
    expected size 3, expected R2 .8, Zellner's g with information weight .01, half of it on the
    diagonal (Scott & Varian 2014). With `level_sd` the step's sd has that prior with weight 32 and
    the noise's weighs 50, as in CausalImpact; without, `Wander` lets the data say how far the level
    goes, and the noise's prior weighs 1. The level path is drawn as a whole from its tridiagonal
    precision (Chan & Jeliazkov 2009). The last `always` columns of x are never dropped. A tenth of
    the draws is burned.
    """
    rng = np.random.default_rng(seed)
    fit = before & np.isfinite(y)
    centre, scale = float(y[fit].mean()), float(y[fit].std(ddof=1))
    z = (y - centre) / scale
    xs, usable = _standardised(x, fit)
    n, m = len(y), int(before.sum())
    slab = _SpikeSlab(xs[fit], always=always, usable=usable, df=_PRIOR_DF if level_sd else _WEAK_DF)
    seen = fit[:m]
    wander = None if level_sd else Wander(np.flatnonzero(seen).astype(np.float64))
    target = np.where(seen, z[:m], 0.0)
    level = np.zeros(m)
    beta, noise2 = np.zeros(x.shape[1]), slab.prior_noise2
    step2 = level_sd**2 if level_sd else 0.1 * noise2
    start_precision = 1.0 if level_sd else _DIFFUSE
    burn = max(100, draws // 10)
    paths: list[Array] = []
    inside: list[NDArray[np.bool_]] = []
    steps: list[float] = []
    noises: list[float] = []
    for i in range(draws + burn):
        rest = target - np.where(seen, xs[:m] @ beta, 0.0)
        if wander is not None:
            step2 = wander.draw(rng, rest[seen], noise2)
        level = _draw_level(rng, rest, seen, step2, noise2, start_precision)
        if level_sd:
            step2 = _draw_step(rng, level, level_sd)
        beta, noise2 = slab.draw(rng, z[fit] - level[seen])
        if i < burn:
            continue
        walk = level[-1] + np.cumsum(rng.normal(0, np.sqrt(step2), n - m))
        noise = rng.normal(0, np.sqrt(noise2), n)
        paths.append(np.concatenate([level, walk]) + xs @ beta + noise)
        inside.append(slab.inside.copy())
        steps.append(step2)
        noises.append(noise2)
    return Draws(
        path=centre + scale * np.array(paths),
        inclusion=np.mean(inside, axis=0),
        step_sd=scale * np.sqrt(np.array(steps)),
        noise_sd=scale * np.sqrt(np.array(noises)),
    )


def _standardised(x: Array, fit: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Columns with mean 0 and sd 1 before; those that never moved then are marked unusable."""
    spread = x[fit].std(axis=0, ddof=1) if x.shape[1] else np.zeros(0)
    usable = spread > 0
    return (x - x[fit].mean(axis=0)) / np.where(usable, spread, 1.0) * usable, usable


def _draw_level(
    rng: np.random.Generator, rest: Array, seen: NDArray[np.bool_], step2: float, noise2: float,
    start_precision: float,
) -> Array:  # fmt: skip
    """The level path (m,) given everything else; normal before the first step, as bsts has it."""
    m = len(rest)
    diagonal = np.full(m, 2 / step2) + seen / noise2
    diagonal[0] = 1 / step2 + seen[0] / noise2 + start_precision
    diagonal[-1] -= 1 / step2
    bands = np.vstack([np.append(0.0, np.full(m - 1, -1 / step2)), diagonal])
    upper = linalg.cholesky_banded(bands, check_finite=False)
    mean = linalg.cho_solve_banded((upper, False), rest * seen / noise2, check_finite=False)
    noise = linalg.solve_banded((0, 1), upper, rng.standard_normal(m), check_finite=False)
    return np.asarray(mean + noise, dtype=np.float64)


class Wander:
    """The step's variance, drawn with the level integrated out, from a grid of step sds.

    Differences of a walk seen through noise (contrasts that don't know where it began) are
    independent in the eigenvectors of the walk's covariance, with variance noise2 + step2 x
    eigenvalue. Half-Cauchy prior on the step's sd (Gelman 2006, Bayesian Analysis 1:515), which
    neither rules out a still level nor a wandering one; with the level integrated out the draw
    can't get stuck at either.
    """

    def __init__(self, place: Array) -> None:
        n = len(place)
        contrasts = linalg.null_space(np.ones((1, n)))
        walk = contrasts.T @ np.minimum.outer(place, place) @ contrasts
        values, vectors = np.linalg.eigh(walk)
        self.back = vectors.T @ contrasts.T
        self.step2 = _STEP_GRID**2
        self.spread = self.step2[:, None] * np.maximum(values, 0.0)[None, :]
        # Equal steps of the logarithm: density of sd times sd.
        self.log_prior = np.log(_STEP_GRID) - np.log1p((_STEP_GRID / _STEP_SCALE) ** 2)

    def draw(self, rng: np.random.Generator, rest: Array, noise2: float) -> float:
        """Variance of the level's step given y less the controls' part, where it was seen."""
        squared = (self.back @ rest) ** 2
        variance = noise2 + self.spread
        weight = self.log_prior - 0.5 * np.sum(np.log(variance) + squared / variance, axis=1)
        share = np.cumsum(np.exp(weight - weight.max()))
        return float(self.step2[np.searchsorted(share, rng.random() * share[-1])])


def _draw_step(rng: np.random.Generator, level: Array, level_sd: float) -> float:
    """Variance of the level's step, at most that of y (prior weight 32)."""
    steps = np.diff(level)
    shape = (_LEVEL_DF + len(steps)) / 2
    rate = (_LEVEL_DF * level_sd**2 + float(steps @ steps)) / 2
    for _ in range(100):
        drawn = rate / rng.gamma(shape)
        if drawn <= 1.0:
            return float(drawn)
    return 1.0


class _SpikeSlab:
    """Which controls are in, their coefficients and the noise variance, drawn in turn."""

    def __init__(self, x: Array, *, always: int, usable: NDArray[np.bool_], df: float) -> None:
        k = x.shape[1]
        self.x, self.k = x, k
        gram = x.T @ x
        information = _INFORMATION_WEIGHT * gram
        self.prior = (1 - _DIAGONAL_SHRINKAGE) * information + _DIAGONAL_SHRINKAGE * np.diag(
            np.diag(information)
        )
        self.gram = gram
        self.free = np.arange(k) < k - always
        self.usable = usable
        choices = max(1, k - always)
        chance = min(_EXPECTED_MODEL_SIZE / choices, 1 - 1e-9)
        self.log_odds = np.log(chance / (1 - chance)) if choices > _EXPECTED_MODEL_SIZE else np.inf
        self.inside = usable & (~self.free | np.isinf(self.log_odds))
        self.seen: dict[bytes, tuple[NDArray[np.int64], Array, float]] = {}
        self.prior_noise2 = 1 - _EXPECTED_R2 if k - always else 1.0
        self.df = df if k - always else 0.01

    def draw(self, rng: np.random.Generator, target: Array) -> tuple[Array, float]:
        """Coefficients (k,) and noise variance given what is left of y."""
        xty, yty = self.x.T @ target, float(target @ target)
        if np.isfinite(self.log_odds):
            self._flip(rng, xty, yty, len(target))
        inside, root, _ = self._model()
        half = root @ xty[inside]
        base = self.df * self.prior_noise2 + yty - float(half @ half)
        noise2 = base / 2 / rng.gamma((self.df + len(target)) / 2)
        beta = np.zeros(self.k)
        beta[inside] = root.T @ (half + np.sqrt(noise2) * rng.standard_normal(len(inside)))
        return beta, float(noise2)

    def _model(self) -> tuple[NDArray[np.int64], Array, float]:
        """What a set of controls needs, kept for the sets that come again and again.

        Their indices, the inverse root R of X'X + prior (R'R its inverse), and the log evidence's
        determinants and prior odds.
        """
        key = self.inside.tobytes()
        if key not in self.seen:
            if len(self.seen) >= _SETS_KEPT:
                self.seen.clear()
            inside = np.flatnonzero(self.inside)
            prior = self.prior[np.ix_(inside, inside)]
            lower = np.linalg.cholesky(self.gram[np.ix_(inside, inside)] + prior)
            free = int(self.inside[self.free].sum())
            odds = free * self.log_odds if np.isfinite(self.log_odds) else 0.0
            spread = float(np.sum(np.log(np.diag(lower))))
            terms = odds + 0.5 * float(np.linalg.slogdet(prior)[1]) - spread
            self.seen[key] = (inside, np.asarray(np.linalg.inv(lower), dtype=np.float64), terms)
        return self.seen[key]

    def _flip(self, rng: np.random.Generator, xty: Array, yty: float, n: int) -> None:
        """Each free control in or out, by the odds with coefficients and noise integrated out."""
        current = self._log_evidence(xty, yty, n)
        for j in rng.permutation(np.flatnonzero(self.free & self.usable)):
            self.inside[j] = not self.inside[j]
            other = self._log_evidence(xty, yty, n)
            odds = other - current
            if np.log(rng.random()) < -np.logaddexp(0.0, -odds):
                current = other
            else:
                self.inside[j] = not self.inside[j]

    def _log_evidence(self, xty: Array, yty: float, n: int) -> float:
        inside, root, terms = self._model()
        half = root @ xty[inside]
        base = self.df * self.prior_noise2 + yty - float(half @ half)
        return terms - 0.5 * (self.df + n) * math.log(base)
