"""A/A: dates and sites at which nothing happened. Something found there is a false alarm."""

import msgspec
import numpy as np

from server.evaluation.answer import answer, scale_of
from server.evaluation.did import DidRequest, did
from server.evaluation.errors import BadRequest
from server.evaluation.evaluation import Check
from server.evaluation.linear import Array
from server.evaluation.panel import Mask, Panel, site_means
from server.evaluation.plan.plan import Plan
from server.evaluation.randomisation import assignments, mean_differences

LEAST_WEEKS = 6
_MOST_DATES = 40
# So many more than alpha of placebo dates may be claimed before the method counts as too sure.
_TOLERATED = 2.0


def cut(panel: Panel, keep: Mask) -> Panel:
    """Some of the weeks."""
    return msgspec.structs.replace(
        panel, times=panel.times[keep], y=panel.y[:, keep],
        exposure=None if panel.exposure is None else panel.exposure[:, keep],
    )  # fmt: skip


def placebo_dates(panel: Panel, outcome: str, plan: Plan, start: float) -> Check:
    """The plan's method at dates before the intervention; how often would it have claimed one?"""
    name = "placebo dates"
    early = cut(panel, panel.before(start))
    last = len(early.times) - LEAST_WEEKS
    if last < LEAST_WEEKS + 1:
        return Check(
            name=name, outcome="not possible",
            said=f"{len(early.times)} weeks before are too few for dates with {LEAST_WEEKS} weeks"
            " on each side",
        )  # fmt: skip
    places = np.unique(np.linspace(LEAST_WEEKS, last, _MOST_DATES).astype(int))
    results = [answer(early, outcome, plan, float(early.times[place])) for place in places]
    given = [result for result in results if result.refusal is None and result.estimates]
    if not given:
        return Check(name=name, outcome="not possible", said="the method gave no answer there")
    claimed = sum(result.outcome == "change" for result in given)
    share = claimed / len(given)
    return Check(
        name=name, outcome="passed" if share <= max(_TOLERATED * plan.alpha, 1 / len(given))
        else "failed",
        said=f"at {claimed} of {len(given)} dates at which nothing happened ({share:.1%}) a change"
        f" would have been claimed ({plan.alpha:.0%} is meant; neighbouring dates share weeks)",
        values=[result.estimates[0].value for result in given],
    )  # fmt: skip


def placebo_sites(panel: Panel, outcome: str, plan: Plan, start: float) -> Check:
    """Each control site as if it had been treated: where does the real change stand among them?"""
    name = "placebo sites"
    log = scale_of(outcome) == "log"
    before = panel.before(start)
    try:
        change = site_means(panel, ~before, log=log) - site_means(panel, before, log=log)
    except BadRequest as error:
        return Check(name=name, outcome="not possible", said=str(error))
    seen = np.isfinite(change)
    control = change[seen & (panel.treated == 0)]
    treated = change[seen & (panel.treated == 1)]
    if len(control) < 3 or len(treated) == 0:
        return Check(
            name=name, outcome="not possible", said="fewer than 3 control sites to play treated"
        )
    placebos = [float(control[i] - np.delete(control, i).mean()) for i in range(len(control))]
    real = float(treated.mean() - control.mean())
    beyond = sum(abs(value) >= abs(real) for value in placebos)
    back = (lambda v: float(np.exp(v))) if log else float
    return Check(
        name=name, outcome="passed" if beyond == 0 else "failed",
        said=f"{beyond} of {len(placebos)} untouched sites moved at least as far from the others as"
        " the treated ones did",
        values=[back(real), *map(back, placebos)],
        labels=["treated", *(s for s, t, k in zip(panel.sites, panel.treated, seen, strict=True)
                             if k and t == 0)],
    )  # fmt: skip


def randomisation_values(panel: Panel, outcome: str, plan: Plan, start: float) -> Array:
    """What every assignment of the arms would give, the real one first; log scale for ratios."""
    log = scale_of(outcome) == "log"
    before = panel.before(start)
    change = site_means(panel, ~before, log=log) - site_means(panel, before, log=log)
    seen = np.isfinite(change)
    sets = assignments(panel.treated[seen], seed=plan.seed)
    return mean_differences(change[seen], sets)


def injected_effect(
    panel: Panel, outcome: str, plan: Plan, start: float, *, effect: float = 0.8, draws: int = 40
) -> Check:
    """An effect put in at control sites must come out: -20 %, or -2 dB for sound.

    As many control sites as were treated (at most a third of them) play treated; their weeks after
    are changed by the effect, and the interval must hold it.
    """
    name = "an effect put in is found"
    log = scale_of(outcome) == "log"
    controls = np.flatnonzero(panel.treated == 0)
    chosen = min(int(panel.treated.sum()), len(controls) // 3)
    if len(controls) < 4 or chosen < 1:
        return Check(name=name, outcome="not possible", said="fewer than 4 control sites")
    rng = np.random.default_rng(plan.seed)
    after = ~panel.before(start)
    wanted = effect if log else -2.0
    held, values = 0, []
    level = 0.9
    for _ in range(draws):
        picked = rng.choice(len(controls), chosen, replace=False)
        treated = np.zeros(len(controls))
        treated[picked] = 1.0
        y = panel.y[controls].copy()
        block = np.ix_(picked, np.flatnonzero(after))
        y[block] = y[block] * wanted if log else y[block] + wanted
        pretended = Panel(
            sites=[panel.sites[i] for i in controls], times=panel.times, y=y, treated=treated,
            exposure=None if panel.exposure is None else panel.exposure[controls],
        )  # fmt: skip
        try:
            row = did(
                DidRequest(
                    panel=pretended, start=start, scale="log" if log else "level", level=level,
                    alpha=plan.alpha, seed=plan.seed,
                )
            ).estimates[0]  # fmt: skip
        except (BadRequest, IndexError):
            return Check(name=name, outcome="not possible", said="a control site has no course")
        if row.value is None:
            continue
        values.append(row.value)
        inside = (row.low is None or row.low <= wanted) and (row.high is None or wanted <= row.high)
        held += inside
    share = held / max(len(values), 1)
    said = f"{wanted - 1:+.0%}" if log else f"{wanted:+.0f} dB"
    middle = float(np.median(values)) if values else float("nan")
    found = f"{middle - 1:+.1%}" if log else f"{middle:+.2f} dB"
    # 90 % intervals: fewer than this of 40 is no accident (binomial, below 1 in 1000).
    return Check(
        name=name, outcome="passed" if share >= 0.75 else "failed",
        said=f"{said} put in at {chosen} control site{'s' if chosen > 1 else ''},"
        f" {len(values)} draws: the 90 % interval held it in {share:.0%}, the middle is {found}",
        values=list(values),
    )  # fmt: skip
