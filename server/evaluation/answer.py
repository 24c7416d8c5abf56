"""One panel, one question, one answer: by the method that the plan names."""

from typing import Any

import msgspec
import numpy as np

from server.evaluation.count_report import CountData, count_result
from server.evaluation.count_table import Cells
from server.evaluation.data.outcomes import Weeks
from server.evaluation.data.snapshot import Snapshot
from server.evaluation.did import DidRequest, did
from server.evaluation.errors import BadRequest
from server.evaluation.its import its
from server.evaluation.its_request import ItsRequest
from server.evaluation.linear import Array
from server.evaluation.panel import Panel
from server.evaluation.plan.plan import LEVEL_OUTCOMES, Plan
from server.evaluation.results import Result, refused
from server.evaluation.synthetic_control import ScRequest, synthetic_control

_LEAST_WEEKS = 4


def scale_of(outcome: str) -> str:
    """Ratios, but decibels and lux as differences."""
    return "level" if outcome in LEVEL_OUTCOMES or outcome == "lux_dark" else "log"


def answer(panel: Panel, outcome: str, plan: Plan, start: float) -> Result:
    """The result of the plan's method; a refusal where the panel can't carry it."""
    before = panel.before(start)
    if min(int(before.sum()), int((~before).sum())) < _LEAST_WEEKS:
        return refused(plan.method, 0, f"fewer than {_LEAST_WEEKS} weeks on one side")
    if not np.isfinite(panel.y).any():
        return refused(plan.method, 0, "nothing was measured at these sites in these weeks")
    try:
        if plan.method == "did":
            return did(did_request(panel, outcome, plan, start))
        if plan.method == "sc":
            return synthetic_control(
                ScRequest(panel=panel, start=start, demean=True, alpha=plan.alpha)
            )
        return its(_its_request(panel, outcome, plan, start))
    except BadRequest as error:
        return refused(plan.method, len(panel.sites), str(error))


def did_request(panel: Panel, outcome: str, plan: Plan, start: float) -> DidRequest:
    """Difference in differences as the plan wants it."""
    return DidRequest(
        panel=panel, start=start, scale="level" if scale_of(outcome) == "level" else "log",
        randomised_seed=plan.randomised_seed, alpha=plan.alpha, seed=plan.seed,
    )  # fmt: skip


def _its_request(panel: Panel, outcome: str, plan: Plan, start: float) -> ItsRequest:
    """Arms as one series each: counts added up over what was observed, levels averaged."""
    treated, control = panel.treated == 1, panel.treated == 0
    one, exposure = _together(panel, treated)
    given: dict[str, Any] = {}
    if control.any():
        given["control"], given["control_exposure"] = _together(panel, control)
    counts = scale_of(outcome) == "log" and exposure is not None
    if not counts:
        given.pop("control_exposure", None)
    return ItsRequest(
        time=panel.times, y=one, start=start, kind="day", slope=False,
        family="quasipoisson" if counts else "gaussian", exposure=exposure if counts else None,
        alpha=plan.alpha, **given,
    )  # fmt: skip


def _together(panel: Panel, mine: Array) -> tuple[Array, Array | None]:
    y = panel.y[mine]
    seen = np.isfinite(y)
    whole = seen.all(axis=0)
    if panel.exposure is None:
        return np.where(whole, np.where(seen, y, 0).mean(axis=0), np.nan), None
    exposure = np.where(seen, panel.exposure[mine], 0).sum(axis=0)
    return np.where(whole, np.where(seen, y, 0).sum(axis=0), np.nan), np.where(
        whole, exposure, np.nan
    )


def incident_answer(snapshot: Snapshot, plan: Plan, weeks: Weeks) -> Result:
    """Imported incidents by arm, with the dispersion that the weeks show."""
    if not snapshot.incidents:
        return refused("counts", 0, "no incidents have been imported; see msl evaluate import")
    day = np.array([found.at.timestamp() // 86_400 for found in snapshot.incidents])
    before = weeks.first_day < weeks.start
    cells, labels, totals = {}, [], []
    for arm in ("treated", "control", "buffer"):
        mine = np.array([found.arm == arm for found in snapshot.incidents])
        week = np.searchsorted(weeks.first_day, day[mine], side="right") - 1
        inside = (week >= 0) & (day[mine] < weeks.first_day[week] + 7)
        per_week = np.bincount(week[inside], minlength=len(before)).astype(np.float64)
        if not mine.any():
            continue
        cells[arm] = Cells(
            float(per_week[before].sum()), float(per_week[~before].sum()),
            float(before.sum()), float((~before).sum()),
        )  # fmt: skip
        labels += [f"{arm} {early}" for early in before]
        totals += list(per_week)
    if "treated" not in cells:
        return refused("counts", len(day), "no incident lies in a treated area")
    phi = _phi(np.array(totals), labels)
    data = CountData(
        cells=cells, areas=dict.fromkeys(cells, 1), phi=phi, phi_df=len(totals) - len(set(labels)),
        sub_periods=len(before),
    )  # fmt: skip
    return count_result(data, alpha=plan.alpha, seed=plan.seed)


def _phi(totals: Array, labels: list[str]) -> float | None:
    """Pearson's dispersion around each cell's mean (McCullagh & Nelder 1989, 4.5.2)."""
    chi2, df = 0.0, 0
    for label in set(labels):
        mine = totals[np.array([name == label for name in labels])]
        if mine.mean() > 0:
            chi2 += float(((mine - mine.mean()) ** 2).sum() / mine.mean())
            df += len(mine) - 1
    return chi2 / df if df > 0 else None


def without(panel: Panel, sites: list[str]) -> Panel:
    """The panel without some of its sites."""
    keep = np.array([site not in sites for site in panel.sites])
    return msgspec.structs.replace(
        panel, sites=[site for site, kept in zip(panel.sites, keep, strict=True) if kept],
        y=panel.y[keep], treated=panel.treated[keep],
        exposure=None if panel.exposure is None else panel.exposure[keep],
    )  # fmt: skip
