"""The primary question by every way that was declared, and by leaving each site out."""

import numpy as np

from server.evaluation.answer import answer, without
from server.evaluation.checks.placebo import cut
from server.evaluation.data.outcomes import Prepared, Weeks, weekly_panel, without_odd_weeks
from server.evaluation.evaluation import SpecRow
from server.evaluation.panel import Panel
from server.evaluation.plan.canonical import Arms
from server.evaluation.plan.plan import Plan, Variant
from server.evaluation.results import Result


def specifications(
    prepared: Prepared, arms: Arms, plan: Plan, weeks: Weeks, panel: Panel, headline: Result
) -> list[SpecRow]:
    """The plan's own answer first, its variants, then the automatic ones; all of them are shown."""
    rows = [_row("as planned", True, headline)]
    for variant in plan.variant:
        rows.append(_row(variant.name, True, _variant(prepared, arms, plan, weeks, panel, variant)))
    odd, found = without_odd_weeks(panel)
    if found:
        rows.append(
            _row("single odd weeks left out", False, answer(odd, plan.primary, plan, weeks.start))
        )
    for site, treated in zip(panel.sites, panel.treated, strict=True):
        if (panel.treated == treated).sum() > 1 and len(panel.sites) <= 40:
            left = answer(without(panel, [site]), plan.primary, plan, weeks.start)
            rows.append(_row(f"without {site}", False, left))
    return rows


def _variant(
    prepared: Prepared, arms: Arms, plan: Plan, weeks: Weeks, panel: Panel, variant: Variant
) -> Result:
    outcome = variant.outcome or plan.primary
    if variant.outcome is not None or variant.least_coverage is not None:
        panel = weekly_panel(
            prepared, arms, outcome, weeks, sites=panel.sites,
            least_coverage=variant.least_coverage or plan.least_coverage,
        )  # fmt: skip
    keep = np.ones(len(panel.times), dtype=bool)
    before = np.flatnonzero(panel.before(weeks.start))
    after = np.flatnonzero(~panel.before(weeks.start))
    if variant.before_weeks is not None:
        keep[before[: max(len(before) - variant.before_weeks, 0)]] = False
    if variant.after_weeks is not None:
        keep[after[variant.after_weeks :]] = False
    return answer(cut(without(panel, variant.without_sites), keep), outcome, plan, weeks.start)


def _row(name: str, declared: bool, result: Result) -> SpecRow:
    if result.refusal is not None or not result.estimates:
        return SpecRow(name=name, declared=declared, estimate=None, p=None, why_not=result.refusal)
    return SpecRow(name=name, declared=declared, estimate=result.estimates[0], p=result.p)
