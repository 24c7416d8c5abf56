"""Perception surveys before and after, treated and control: ordinal answers, never averaged.

Independent cross-sections. Answers are ranks ("very unsafe" to "very safe"), so the change is an
odds ratio of a higher answer, and a difference in the share that answers at least so much.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from server.evaluation.errors import BadRequest
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.linear import Array, numeric_gradient, t_interval
from server.evaluation.results import Estimate, Result, estimate, refused
from server.evaluation.verdict import verdict

# Fewer answers in a cell than this say next to nothing (a share's interval is +- 18 points).
LEAST_ANSWERS = 30
_GROUPS = ("control_before", "control_after", "treated_before", "treated_after")


class SurveyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One answer a row, each (n,): rank from 1 (NaN: no answer), arm, period, weight.

    `threshold` is the rank from which an answer counts as positive. `design_effect` replaces the
    computed one when the sampling's own is known; `cluster` numbers what was sampled as one.
    """

    answer: Array
    treated: Array
    after: Array
    threshold: float
    weight: Array | None = None
    cluster: Array | None = None
    design_effect: float | None = None
    level: float = 0.95
    alpha: float = 0.05


def kish_design_effect(weight: Array) -> float:
    """1 + cv^2 of the weights: n sum w^2 / (sum w)^2 (Kish 1965, Survey Sampling, 11.7)."""
    return float(len(weight) * np.sum(weight**2) / np.sum(weight) ** 2)


def cluster_design_effect(value: Array, weight: Array, cluster: Array) -> float:
    """Variance of the weighted mean of `value` by clusters over that of as many single answers.

    Linearised (Kish & Frankel 1974, JRSS B 36:1; Wolter 2007, ch. 6); at least Kish's for the
    weights. A cluster alone says nothing of how clusters differ: with fewer than two, that is all.
    """
    plain = kish_design_effect(weight)
    residual = value - np.average(value, weights=weight)
    spread = float(np.average(residual**2, weights=weight)) / len(value)
    totals = np.bincount(
        np.unique(cluster, return_inverse=True)[1], weights=weight * residual
    ) / weight.sum()  # fmt: skip
    if len(totals) < 2 or spread == 0:
        return plain
    between = float(totals @ totals) * len(totals) / (len(totals) - 1)
    return max(plain, between / spread)


def survey_did(request: SurveyRequest) -> Result:
    """Proportional-odds DiD and the DiD of shares, both with the design effect."""
    method = "survey, difference in differences of ordinal answers"
    answered = np.isfinite(request.answer)
    answer, ranks = _ranks(request.answer[answered])
    weight = np.ones(len(answer)) if request.weight is None else request.weight[answered]
    cell = (2 * request.treated + request.after)[answered].astype(int)
    sizes = np.bincount(cell, minlength=4).astype(np.int64)
    if sizes.min() < LEAST_ANSWERS:
        return refused(
            method, len(answer), f"{int(sizes.min())} answers in one of the four groups; at least"
            f" {LEAST_ANSWERS} are needed"
        )  # fmt: skip
    if len(ranks) < 2:
        return refused(method, len(answer), "everybody gave the same answer")
    effect = _design_effect(request, answer, weight, cell, answered)
    table = np.zeros((4, len(ranks)))
    np.add.at(table, (cell, answer), weight)
    table *= (sizes / table.sum(axis=1))[:, None]  # weights shape the answers, not their number
    beta, cov = proportional_odds(table)
    se = float(np.sqrt(effect * cov[2, 2]))
    low, high, p = t_interval(float(beta[2]), se, np.inf, request.level)
    headline = estimate(
        "odds_ratio_of_higher_answer", float(np.exp(beta[2])), "ratio", se=se,
        low=float(np.exp(low)), high=float(np.exp(high)), p=p, level=request.level,
        model=f"proportional odds, design effect {effect:.3g}",
    )  # fmt: skip
    grade = maryland_grade(Design(treated_sites=1, control_sites=1))
    outcome, sentence = verdict(
        headline, p=p, alpha=request.alpha, grade=grade, what="odds of a higher answer"
    )
    return Result(
        method=method,
        n=len(answer),
        estimates=[headline, _share_did(table, ranks, sizes, effect, request, request.threshold)],
        sensitivity=[
            _share_did(table, ranks, sizes, effect, request, float(rank)) for rank in ranks[1:]
        ],
        p=p,
        p_kind="Wald, design effect in it",
        alpha=request.alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={
            "answers": {name: int(size) for name, size in zip(_GROUPS, sizes, strict=True)},
            "share_positive": {
                name: float(share)
                for name, share in zip(
                    _GROUPS, _share(table, ranks, request.threshold), strict=True
                )
            },
            "no_answer": int((~answered).sum()),
            "design_effect": effect,
        },
        warnings=["say response rates and whether the way of asking changed between the waves"],
    )


def _design_effect(
    request: SurveyRequest, answer: NDArray[np.int64], weight: Array, cell: NDArray[np.int64],
    answered: NDArray[np.bool_],
) -> float:  # fmt: skip
    """The given one, or the largest of the four groups'."""
    if request.design_effect is not None:
        return request.design_effect
    if request.cluster is None:
        return max(kish_design_effect(weight[cell == i]) for i in range(4))
    cluster = request.cluster[answered]
    return max(
        cluster_design_effect(
            answer[cell == i].astype(np.float64), weight[cell == i], cluster[cell == i]
        )
        for i in range(4)
    )


def _ranks(answer: Array) -> tuple[NDArray[np.int64], Array]:
    ranks, place = np.unique(answer, return_inverse=True)
    return place.astype(np.int64), ranks


def _share_did(
    table: Array, ranks: Array, sizes: NDArray[np.int64], effect: float, request: SurveyRequest,
    threshold: float,
) -> Estimate:  # fmt: skip
    """Change of the share answering `threshold` or more, treated less control, in points of 1."""
    share = _share(table, ranks, threshold)
    value = float((share[3] - share[2]) - (share[1] - share[0]))
    se = float(np.sqrt(effect * np.sum(share * (1 - share) / sizes)))
    low, high, p = t_interval(value, se, np.inf, request.level) if se else (np.nan, np.nan, np.nan)
    return estimate(
        "share_difference", value, "share", se=se, low=low, high=high, p=p, level=request.level,
        model=f"share answering {threshold:g} or more",
    )  # fmt: skip


def _share(table: Array, ranks: Array, threshold: float) -> Array:
    """(4,) share of each group that answers `threshold` or more."""
    chosen = table[:, ranks >= threshold].sum(axis=1) / table.sum(axis=1)
    return np.asarray(chosen, dtype=np.float64)


def proportional_odds(table: Array) -> tuple[Array, Array]:
    """(3,) log odds ratios (after, treated, both) and their covariance (3, 3).

    McCullagh 1980 (JRSS B 42:109): logit P(answer <= k) = a_k - x'b. `table` (4, ranks) holds
    answers of control before, control after, treated before, treated after. Covariance: inverse
    Fisher information.
    """
    design = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]], dtype=np.float64)
    cuts = table.shape[1] - 1
    cumulative = np.cumsum(table.sum(axis=0))[:-1] / table.sum()
    if np.any(cumulative <= 0) or np.any(cumulative >= 1):
        raise BadRequest("a rank without any answer can't stand in the table")

    def probabilities(theta: Array) -> Array:
        edges = theta[:1] if cuts == 1 else np.append(
            theta[:1], theta[0] + np.cumsum(np.exp(theta[1:cuts]))
        )  # fmt: skip
        below = special.expit(edges[None, :] - (design @ theta[cuts:])[:, None])
        padded = np.hstack([np.zeros((4, 1)), below, np.ones((4, 1))])
        return np.maximum(np.diff(padded, axis=1), 1e-12)

    start = special.logit(cumulative)
    theta0 = np.concatenate([start[:1], np.log(np.diff(start)), np.zeros(3)])

    def minus_log_lik(theta: Array) -> float:
        return -float(np.sum(table * np.log(probabilities(theta)))) / float(table.sum())

    found = optimize.minimize(minus_log_lik, theta0, method="BFGS", options={"gtol": 1e-9})
    theta = np.asarray(found.x, dtype=np.float64)
    jacobian = numeric_gradient(lambda at: probabilities(at).ravel(), theta)
    weight = np.repeat(table.sum(axis=1), cuts + 1) / probabilities(theta).ravel()
    information = (jacobian * weight[:, None]).T @ jacobian
    cov = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return theta[cuts:], cov[cuts:, cuts:]
