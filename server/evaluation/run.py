"""A whole evaluation as a pure function of plan, intervention and snapshot: the same, always."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from server.evaluation.answer import answer, did_request, incident_answer, scale_of
from server.evaluation.checks.clock_change import positive_control
from server.evaluation.checks.placebo import (
    cut,
    injected_effect,
    placebo_dates,
    placebo_sites,
    randomisation_values,
)
from server.evaluation.checks.specifications import specifications
from server.evaluation.code_version import code_version
from server.evaluation.data.outcomes import (
    Prepared,
    Weeks,
    coverage,
    prepare,
    weekly_panel,
    weeks_of,
    without_odd_weeks,
)  # fmt: skip
from server.evaluation.data.refusals import break_refusals, lux_band_refusals, series_breaks
from server.evaluation.data.snapshot import Snapshot
from server.evaluation.did import event_study
from server.evaluation.errors import BadRequest
from server.evaluation.evaluation import (
    Check,
    Evaluation,
    OutcomeAnswer,
    SiteSeries,
    SpecRow,
)
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.manipulation import manipulation_check
from server.evaluation.moments import label
from server.evaluation.multiplicity import holm
from server.evaluation.panel import Panel
from server.evaluation.plan.canonical import Intervention, LockedPlan, deviations, plan_hash
from server.evaluation.plan.check import smallest_detectable
from server.evaluation.plan.plan import OutcomeName, Plan
from server.evaluation.report.sentence import sentence
from server.evaluation.results import Estimate, Result

LIGHTING = "lighting"
_HISTOGRAM_BINS = 41


class Run(msgspec.Struct, kw_only=True, eq=False):
    """What all steps of one evaluation share."""

    plan: Plan
    intervention: Intervention
    snapshot: Snapshot
    prepared: Prepared
    weeks: Weeks
    detectable: float | None = None

    def sites(self, *arms: str) -> list[str]:
        """Sites of some arms that the plan keeps."""
        found: list[str] = [site for arm in arms for site in getattr(self.intervention.arms, arm)]
        return [site for site in found if site not in self.plan.without_sites]

    def panel(self, outcome: OutcomeName, *arms: str) -> Panel:
        """Weekly outcome of those arms."""
        return weekly_panel(
            self.prepared, self.intervention.arms, outcome, self.weeks,
            least_coverage=self.plan.least_coverage, sites=self.sites(*arms),
        )  # fmt: skip


def evaluate(
    plan: Plan, intervention: Intervention, snapshot: Snapshot, *, snapshot_sha256: str,
    locked: LockedPlan | None,
) -> Evaluation:  # fmt: skip
    """Every answer, check and course; nothing is drawn but from the plan's seed."""
    weeks = weeks_of(plan.before, plan.after)
    run = Run(
        plan=plan, intervention=intervention, snapshot=snapshot, weeks=weeks,
        prepared=prepare(snapshot, plan),
    )  # fmt: skip
    if plan.primary != "incidents":
        panel = run.panel(plan.primary, "treated", "control")
        run.detectable = smallest_detectable(
            cut(panel, panel.before(weeks.start)), plan, int((weeks.first_day >= weeks.start).sum())
        )
    manipulation = _manipulation(run)
    answers = _with_holm([_answer(run, name, manipulation) for name in plan.outcomes])
    checks = _checks(run, answers[0])
    answers[0] = _with_negative_control(run, answers[0], checks)
    primary = answers[0]
    changed = [] if locked is None else deviations(plan, intervention, locked)
    why = _exploratory(plan, run, locked, changed)
    grade = primary.result.grade
    return Evaluation(
        intervention=intervention, plan=plan, plan_sha256=plan_hash(plan, intervention),
        exploratory=bool(why), exploratory_why=why, deviations=changed,
        verdict=("EXPLORATORY. " if why else "") + primary.sentence, outcome=primary.outcome,
        grade=None if grade is None else grade.level, answers=answers, manipulation=manipulation,
        checks=checks, specifications=_specifications(run, primary), buffer=_buffer(run),
        findings=_findings(run), notes=snapshot.notes, series=_series(run),
        simulated=snapshot.simulated, smallest_detectable=run.detectable,
        snapshot_sha256=snapshot_sha256, snapshot_taken_at=snapshot.taken_at,
        locked_at=None if locked is None else locked.locked_at, code=code_version(),
    )  # fmt: skip


def _manipulation(run: Run) -> Check | None:
    if run.intervention.kind != LIGHTING:
        return None
    return manipulation_check(run.panel("lux_dark", "treated", "control"), run.weeks.start)


def _answer(run: Run, outcome: OutcomeName, manipulation: Check | None) -> OutcomeAnswer:
    if outcome == "incidents":
        result, refusals, events = incident_answer(run.snapshot, run.plan, run.weeks), [], []
    else:
        panel = run.panel(outcome, "treated", "control")
        result = answer(panel, outcome, run.plan, run.weeks.start)
        refusals = _refusals(run, outcome, panel.sites)
        events = _events(panel, outcome, run, result)
    if manipulation is not None and manipulation.outcome == "failed" and outcome != "lux_dark":
        refusals.append(f"the light itself did not change ({manipulation.said})")
    if refusals and result.grade is not None:
        graded = maryland_grade(Design(treated_sites=1, control_sites=1, break_in_window=True))
        result = msgspec.structs.replace(result, grade=graded)
    return OutcomeAnswer(
        name=outcome, primary=outcome == run.plan.primary, result=result, refusals=refusals,
        outcome="refused" if refusals or result.refusal else result.outcome, events=events,
        sentence=_sentence(run, outcome, result, refusals),
    )  # fmt: skip


def _sentence(run: Run, outcome: OutcomeName, result: Result, refusals: Sequence[str]) -> str:
    return sentence(
        outcome, result, list(refusals), treated=len(run.sites("treated")),
        control=len(run.sites("control")),
        detectable=run.detectable if outcome == run.plan.primary else None,
    )  # fmt: skip


def _refusals(run: Run, outcome: OutcomeName, sites: list[str]) -> list[str]:
    breaks = series_breaks(run.snapshot, outcome, sites, run.weeks)
    return break_refusals(breaks) + lux_band_refusals(
        run.prepared, run.snapshot, outcome, sites, run.weeks
    )


def _events(panel: Panel, outcome: OutcomeName, run: Run, result: Result) -> list[Estimate]:
    """Blocks of four weeks against the last block before, so that a picture shows a course."""
    if result.refusal is not None or min(panel.treated.sum(), (panel.treated == 0).sum()) < 2:
        return []
    blocks = _blocks(panel, run.weeks.start)
    if not blocks.before(run.weeks.start).any():
        return []
    try:
        return event_study(did_request(blocks, outcome, run.plan, run.weeks.start))
    except BadRequest:
        return []


def _blocks(panel: Panel, start: float, size: int = 4) -> Panel:
    """Weeks drawn together by `size`, counted from the intervention both ways."""
    before = int(panel.before(start).sum())
    lead = before % size
    kept = cut(panel, np.arange(len(panel.times)) >= lead)
    n = len(kept.times) // size * size
    kept = cut(kept, np.arange(len(kept.times)) < n)
    shape = (len(panel.sites), n // size, size)
    y = kept.y.reshape(shape)
    seen = np.isfinite(y)
    any_seen = seen.any(axis=2)
    total = np.where(seen, y, 0).sum(axis=2)
    if kept.exposure is None:
        values = np.where(any_seen, total / np.maximum(seen.sum(axis=2), 1), np.nan)
        weight = None
    else:
        values = np.where(any_seen, total, np.nan)
        exposure = np.where(seen, kept.exposure.reshape(shape), 0).sum(axis=2)
        weight = np.where(any_seen, exposure, np.nan)
    return msgspec.structs.replace(kept, times=kept.times[::size], y=values, exposure=weight)


def _with_holm(answers: list[OutcomeAnswer]) -> list[OutcomeAnswer]:
    """Holm over the secondary outcomes; the primary one stands alone, being one question."""
    later = [a.result.p if a.outcome != "refused" else None for a in answers[1:]]
    adjusted = holm(np.array([np.nan if p is None else p for p in later]))
    found = [answers[0]]
    for one, p in zip(answers[1:], adjusted, strict=True):
        if not np.isfinite(p):
            found.append(one)
            continue
        gone = one.outcome == "change" and p > one.result.alpha
        found.append(
            msgspec.structs.replace(
                one, p_adjusted=float(p), outcome="inconclusive" if gone else one.outcome,
                sentence=one.sentence if not gone else
                "Inconclusive: of several outcomes asked at once, this one no longer stands out"
                f" (adjusted p = {p:.2g}). {one.sentence}",
            )
        )  # fmt: skip
    return found


def _checks(run: Run, primary: OutcomeAnswer) -> list[Check]:
    if run.plan.primary == "incidents":
        return []
    outcome, start = run.plan.primary, run.weeks.start
    panel = run.panel(outcome, "treated", "control")
    if primary.result.refusal is not None:
        return []
    found = [
        placebo_dates(panel, outcome, run.plan, start),
        placebo_sites(panel, outcome, run.plan, start),
        _assignments(panel, outcome, run, primary),
        injected_effect(panel, outcome, run.plan, start),
    ]
    if outcome in ("footfall_dark", "laeq_dark"):
        found.append(_negative_control(run))
    if outcome.startswith("footfall"):
        found.append(positive_control(run.prepared, panel.sites))
    return found


def _assignments(panel: Panel, outcome: str, run: Run, primary: OutcomeAnswer) -> Check:
    """The headline p as a picture: what other choices of treated sites would have given."""
    name = "other assignments"
    try:
        values = randomisation_values(panel, outcome, run.plan, run.weeks.start)
    except BadRequest as error:
        return Check(name=name, outcome="not possible", said=str(error))
    if scale_of(outcome) == "log":
        values = np.exp(values)
    counts, edges = np.histogram(values, bins=_HISTOGRAM_BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    p = primary.result.p
    return Check(
        name=name, outcome="passed",
        said=f"{len(values)} choices of {int(panel.treated.sum())} of {len(panel.sites)} sites"
        + ("" if p is None else f"; p = {p:.3g} is the share at least as far out as the real one"),
        values=[float(values[0]), *(float(c) for c in counts)],
        labels=[f"{middle:.6g}" for middle in middles],
    )  # fmt: skip


def _negative_control(run: Run) -> Check:
    """By day lamps change nothing: what is found there is something else."""
    outcome: OutcomeName = "footfall_day" if run.plan.primary == "footfall_dark" else "laeq_day"
    panel = run.panel(outcome, "treated", "control")
    result = answer(panel, outcome, run.plan, run.weeks.start)
    name = "by day nothing changed"
    if result.refusal is not None or not result.estimates:
        return Check(name=name, outcome="not possible", said=result.refusal or "no estimate")
    found = result.outcome == "change"
    p = "" if result.p is None else f" (p = {result.p:.2g})"
    return Check(
        name=name, outcome="failed" if found else "passed", estimate=result.estimates[0],
        said=f"the same comparison by daylight{p}: "
        + ("it finds a change too, which lamps can't have made" if found
           else "it finds none beyond chance"),
    )  # fmt: skip


def _with_negative_control(run: Run, primary: OutcomeAnswer, checks: list[Check]) -> OutcomeAnswer:
    """A change that is there by day too is not the lamps'."""
    failed = any(c.name == "by day nothing changed" and c.outcome == "failed" for c in checks)
    if not failed or primary.outcome != "change" or run.intervention.kind != LIGHTING:
        return primary
    return msgspec.structs.replace(
        primary, outcome="inconclusive",
        sentence="Inconclusive: these sites changed by day as well, which lamps can't do, so"
        f" something else is in the number. {primary.sentence}",
    )  # fmt: skip


def _specifications(run: Run, primary: OutcomeAnswer) -> list[SpecRow]:
    if run.plan.primary == "incidents" or primary.result.refusal is not None:
        return []
    panel = run.panel(run.plan.primary, "treated", "control")
    return specifications(
        run.prepared, run.intervention.arms, run.plan, run.weeks, panel, primary.result
    )


def _buffer(run: Run) -> OutcomeAnswer | None:
    """Displacement: the streets around, against the control sites."""
    if not run.sites("buffer") or run.plan.primary == "incidents" or not run.sites("control"):
        return None
    panel = run.panel(run.plan.primary, "buffer", "control")
    around = set(run.sites("buffer"))
    panel = msgspec.structs.replace(
        panel, treated=np.array([float(site in around) for site in panel.sites])
    )
    result = answer(panel, run.plan.primary, run.plan, run.weeks.start)
    refusals = _refusals(run, run.plan.primary, panel.sites)
    said = sentence(
        run.plan.primary, result, refusals, treated=len(around), control=len(run.sites("control")),
        detectable=None,
    ).replace("treated site", "neighbouring site")  # fmt: skip
    return OutcomeAnswer(
        name=run.plan.primary, primary=False, result=result, refusals=refusals, sentence=said,
        outcome="refused" if refusals or result.refusal else result.outcome,
    )  # fmt: skip


def _findings(run: Run) -> list[str]:
    found = [f"{f.site}: {f.what}" for f in run.prepared.findings]
    if run.plan.primary != "incidents":
        panel = run.panel(run.plan.primary, "treated", "control")
        found += [f"{f.site}: {f.what}" for f in without_odd_weeks(panel)[1]]
    return found


def _series(run: Run) -> list[SiteSeries]:
    """Courses of every outcome asked and of light, all arms."""
    names: list[OutcomeName] = [name for name in run.plan.outcomes if name != "incidents"]
    if "lux_dark" not in names:
        names.append("lux_dark")
    rows = []
    for name in names:
        panel = run.panel(name, "treated", "control", "buffer")
        rate = panel.y if panel.exposure is None else panel.y / panel.exposure
        shares = coverage(panel)
        for i, site in enumerate(panel.sites):
            data = run.prepared.grid(site).data
            rows.append(
                SiteSeries(
                    site=site, name=data.name, arm=run.intervention.arms.of(site), outcome=name,
                    week=[label(t, "day") for t in panel.times],
                    value=[float(v) if np.isfinite(v) else None for v in rate[i]],
                    coverage=float(shares[i]), latitude=data.latitude, longitude=data.longitude,
                )
            )  # fmt: skip
    return rows


def _exploratory(plan: Plan, run: Run, locked: LockedPlan | None, changed: list[str]) -> list[str]:
    if locked is None:
        return ["no plan was locked"]
    found = [f"it differs from the locked plan in {len(changed)} points"] if changed else []
    first = min(
        datetime.combine(plan.after.begin, time(), ZoneInfo(grid.data.tz))
        for grid in run.prepared.grids
    )
    if locked.locked_at > first:
        found.append(
            f"the plan was locked on {locked.locked_at.astimezone(UTC):%Y-%m-%d}, after the first"
            f" day that it asks about ({plan.after.begin})"
        )
    return found
