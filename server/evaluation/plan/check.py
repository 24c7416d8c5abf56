"""Can this design answer? The smallest p it can reach, and the least effect it would find."""

from math import comb

import msgspec
import numpy as np
from scipy import stats

from server.evaluation.answer import scale_of
from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array
from server.evaluation.panel import Panel, site_means
from server.evaluation.plan.plan import Plan
from server.evaluation.randomisation import DRAWS, ENUMERATE_UP_TO

_LEAST_DATES = 3
_DRAWN_ARMS = 200


class PlanCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before anybody looks at the outcome.

    `smallest_detectable` is a share (dB for sound) found with 80 % power; None without a history.
    """

    treated: int
    control: int
    weeks_before: int
    weeks_after: int
    smallest_p: float | None
    smallest_detectable: float | None
    can_answer: bool
    said: list[str]


def smallest_p(plan: Plan, treated: int, control: int) -> float | None:
    """1/C(G, g) for randomisation over sites, 1/(donors + 1) for placebos; None for a model's p."""
    if plan.method == "its" or control == 0:
        return None
    if plan.method == "sc":
        return 1 / (control + 1)
    ways = comb(treated + control, treated)
    return 1 / ways if ways <= ENUMERATE_UP_TO else 1 / (DRAWS + 1)


def smallest_detectable(panel: Panel, plan: Plan, weeks_after: int) -> float | None:
    """From the sites' own history: the spread of the estimate where nothing happened.

    Placebo dates in the time before x random arms of the same size give the standard deviation of
    the estimate s; found with 80 % power is (z_(1-alpha/2) + z_0.8) s (Bloom 1995, Eval Rev
    19:547). A share for ratios (on the way up: exp(..) - 1), dB for sound; None with less than
    twice six weeks or four sites.
    """
    log = scale_of(plan.primary) == "log"
    n, side = len(panel.times), max(6, min(weeks_after, len(panel.times) // 2))
    if n < 2 * 6 or len(panel.sites) < 4:
        return None
    side = min(side, n // 2)
    places = np.unique(np.linspace(side, n - side, 12).astype(int))
    rng = np.random.default_rng(plan.seed)
    found: list[float] = []
    for place in places:
        change = _change(panel, place, side, log)
        if change is None:
            continue
        for _ in range(_DRAWN_ARMS):
            arm = rng.permuted(panel.treated)[: len(change)]
            mine = change[(arm == 1) & np.isfinite(change)]
            others = change[(arm == 0) & np.isfinite(change)]
            if len(mine) and len(others):
                found.append(float(mine.mean() - others.mean()))
    if len(found) < _LEAST_DATES * _DRAWN_ARMS // 10:
        return None
    spread = float(np.std(found))
    reach = float(stats.norm.ppf(1 - plan.alpha / 2) + stats.norm.ppf(0.8)) * spread
    return float(np.exp(reach) - 1) if log else reach


def _change(panel: Panel, place: int, side: int, log: bool) -> Array | None:
    at = np.arange(len(panel.times))
    before, after = (at >= place - side) & (at < place), (at >= place) & (at < place + side)
    try:
        return site_means(panel, after, log=log) - site_means(panel, before, log=log)
    except BadRequest:
        return None


def check_plan(panel: Panel, plan: Plan, weeks_after: int) -> PlanCheck:
    """`panel` holds the weeks before alone: a plan is checked without a look at what came after."""
    treated, control = int(panel.treated.sum()), int((panel.treated == 0).sum())
    least = smallest_p(plan, treated, control)
    detectable = smallest_detectable(panel, plan, weeks_after)
    said, can = [], True
    if least is not None and least > plan.alpha:
        can = False
        said.append(
            f"the least p that can come out is {least:.3g}, above alpha {plan.alpha:g}: whatever"
            " happens, this design can't answer; it needs more sites"
        )
    if detectable is None:
        said.append(
            "the sites have too little history (12 weeks, 4 sites) to say which effect would be"
            " found"
        )
    elif detectable > plan.expected_effect:
        can = False
        said.append(
            f"an effect must be at least {_amount(plan, detectable)} to be found with 80 % power;"
            f' {_amount(plan, plan.expected_effect)} is expected: the likely end is "inconclusive"'
            ', which is not "no effect". More sites help, more weeks hardly do'
        )
    if control == 0:
        said.append("without a control site the answer is graded 2 of 5 at most")
    elif treated == 1 and control == 1:
        said.append("a single pair: what else happens at one of the two will be in the number")
    if can and not said:
        said.append("this design can find the effect that is expected")
    return PlanCheck(
        treated=treated, control=control, weeks_before=len(panel.times), weeks_after=weeks_after,
        smallest_p=least, smallest_detectable=detectable, can_answer=can, said=said,
    )  # fmt: skip


def _amount(plan: Plan, value: float) -> str:
    return f"{value:.1f} dB" if scale_of(plan.primary) == "level" else f"{100 * value:.0f} %"
