"""Random-effects meta-analysis of several labs' answers to one question."""

import msgspec
import numpy as np
from scipy import optimize, stats

from server.evaluation.errors import BadRequest
from server.evaluation.evaluation import Evaluation, OutcomeAnswer
from server.evaluation.linear import Array
from server.evaluation.plan.plan import LEVEL_OUTCOMES, SAID
from server.evaluation.report.sentence import size
from server.evaluation.results import Estimate, estimate


class LabEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One lab's answer as it enters; logarithms for ratios."""

    lab: str
    intervention: str
    effect: float
    se: float
    exploratory: bool
    grade: int | None


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """The mean over labs with Hartung-Knapp's interval, and where the next lab may lie."""

    outcome: str
    labs: list[LabEffect]
    left_out: list[str]
    mean: Estimate
    prediction: Estimate | None
    tau: float
    i_squared: float
    sentence: str


def reml_tau2(effect: Array, variance: Array) -> float:
    """Variance between labs by restricted maximum likelihood.

    Viechtbauer 2005 (J Educ Behav Stat 30:261), eq. 9; maximised on a bounded line, at least 0.
    """

    def minus_log_likelihood(tau2: float) -> float:
        weight = 1 / (variance + tau2)
        mean = float(weight @ effect / weight.sum())
        return 0.5 * float(
            np.log(variance + tau2).sum() + np.log(weight.sum()) + weight @ (effect - mean) ** 2
        )

    top = max(10 * float(np.var(effect)), 1e-12)
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(0.0, top), method="bounded", options={"xatol": 1e-12 * top}
    )
    best = float(found.x)
    return 0.0 if minus_log_likelihood(0.0) <= minus_log_likelihood(best) else best


def random_effects(
    effect: Array, variance: Array, *, level: float = 0.95
) -> tuple[Estimate, Estimate | None, float, float]:
    """Mean, prediction interval, tau and I2 of effects (labs,) with known variances.

    REML; interval by Hartung & Knapp 2001 (Stat Med 20:3875) with t_(k-1), its variance factor
    never below 1 (Rover, Knapp & Friede 2015, BMC Med Res Methodol 15:99); prediction interval with
    t_(k-2) from 3 labs on (Higgins, Thompson & Spiegelhalter 2009, JRSS A 172:137); I2 of Higgins &
    Thompson 2002 (Stat Med 21:1539).
    """
    k = len(effect)
    if k < 2:
        raise BadRequest(f"{k} lab with an answer: pooling needs two")
    tau2 = reml_tau2(effect, variance)
    weight = 1 / (variance + tau2)
    mean = float(weight @ effect / weight.sum())
    factor = max(1.0, float(weight @ (effect - mean) ** 2) / (k - 1))
    se = float(np.sqrt(factor / weight.sum()))
    reach = float(stats.t.ppf((1 + level) / 2, k - 1)) * se
    p = 2 * float(stats.t.sf(abs(mean) / se, k - 1))
    row = estimate("pooled", mean, "outcome", se=se, low=mean - reach, high=mean + reach, p=p,
                   df=k - 1, level=level, model="REML, Hartung-Knapp")  # fmt: skip
    ahead = None
    if k > 2:
        far = float(stats.t.ppf((1 + level) / 2, k - 2)) * float(np.sqrt(tau2 + se**2))
        ahead = estimate("next_lab", mean, "outcome", low=mean - far, high=mean + far, level=level)
    fixed = 1 / variance
    q = float(fixed @ (effect - fixed @ effect / fixed.sum()) ** 2)
    return row, ahead, float(np.sqrt(tau2)), max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0


def pool(evaluations: list[Evaluation], outcome: str | None = None) -> Pooled:
    """Answers of several bundles to one outcome; refused ones are left out by name.

    Raises:
        BadRequest: Primary outcomes differ and none was named; fewer than two answers are left.
    """
    name = outcome or _common_outcome(evaluations)
    log = name not in LEVEL_OUTCOMES and name != "lux_dark"
    labs, left_out = [], []
    for found in evaluations:
        entered = _entered(found, name, log)
        where = f"{found.intervention.lab_id}/{found.intervention.intervention_id}"
        if isinstance(entered, str):
            left_out.append(f"{where}: {entered}")
        else:
            labs.append(entered)
    names = [(lab.lab, lab.intervention) for lab in labs]
    if len(set(names)) < len(names):
        raise BadRequest("the same intervention is in two bundles; give each once")
    row, ahead, tau, i2 = random_effects(
        np.array([lab.effect for lab in labs]), np.array([lab.se**2 for lab in labs])
    )
    if log:
        row = _ratio(row)
        ahead = None if ahead is None else _ratio(ahead)
    return Pooled(
        outcome=name, labs=labs, left_out=left_out, mean=row, prediction=ahead, tau=tau,
        i_squared=i2, sentence=_sentence(name, labs, row, ahead),
    )  # fmt: skip


def _common_outcome(evaluations: list[Evaluation]) -> str:
    names = sorted({found.plan.primary for found in evaluations})
    if len(names) != 1:
        raise BadRequest(f"primary outcomes differ ({', '.join(names)}); name one with --outcome")
    return names[0]


def _entered(found: Evaluation, name: str, log: bool) -> LabEffect | str:
    answer = next((a for a in found.answers if a.name == name), None)
    if answer is None:
        return f"did not ask about {name}"
    if answer.outcome == "refused":
        return (answer.refusals or [answer.result.refusal or "no answer"])[0]
    effect = _effect(answer, log)
    if effect is None:
        return "gave no interval, so its error isn't known"
    return LabEffect(
        lab=found.intervention.lab_id, intervention=found.intervention.intervention_id,
        effect=effect[0], se=effect[1], exploratory=found.exploratory, grade=found.grade,
    )  # fmt: skip


def _effect(answer: OutcomeAnswer, log: bool) -> tuple[float, float] | None:
    """Effect and standard error, the latter from the interval's width: it is the headline's own."""
    row = answer.result.estimates[0] if answer.result.estimates else None
    if row is None or row.value is None or row.low is None or row.high is None:
        return None
    value, low, high = (np.log(v) if log else v for v in (row.value, row.low, row.high))
    return float(value), float((high - low) / (2 * stats.norm.ppf((1 + row.level) / 2)))


def _ratio(row: Estimate) -> Estimate:
    edges = {
        key: None if value is None else float(np.exp(value))
        for key, value in (("value", row.value), ("low", row.low), ("high", row.high))
    }
    return msgspec.structs.replace(row, unit="ratio", **edges)


def _sentence(name: str, labs: list[LabEffect], row: Estimate, ahead: Estimate | None) -> str:
    value, low, high = row.value or 0.0, row.low or 0.0, row.high or 0.0
    said = f"{size(name, value)} ({row.level:.0%} interval {size(name, low)} to {size(name, high)})"
    sure = row.p is not None and row.p <= 1 - row.level
    head = "Over" if sure else "Inconclusive: over"
    tail = "" if ahead is None or ahead.low is None or ahead.high is None else (
        f"; the next lab may see anything from {size(name, ahead.low)} to {size(name, ahead.high)}"
    )  # fmt: skip
    loose = sum(lab.exploratory for lab in labs)
    note = f" {loose} of them are EXPLORATORY." if loose else ""
    return f"{head} {len(labs)} labs, {SAID[name]} changed by {said}{tail}.{note}"
