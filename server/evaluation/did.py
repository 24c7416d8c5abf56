"""Difference in differences (BACI): treated sites' change less the control sites' change.

Each site's course is first drawn together to one number before and one after, so that
autocorrelation can't shrink the error (Bertrand, Duflo & Mullainathan 2004, QJE 119:249). The
headline p comes from randomisation over sites.
"""

from typing import Literal

import msgspec
import numpy as np
from scipy import stats

from server.evaluation.errors import BadRequest
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.linear import Array, t_interval
from server.evaluation.panel import Mask, Panel, site_means
from server.evaluation.pretrend import Pretrend, pretrend
from server.evaluation.randomisation import assignments, interval, mean_differences, p_value
from server.evaluation.results import Estimate, Json, Result, estimate, refused
from server.evaluation.table import shown
from server.evaluation.verdict import verdict

Scale = Literal["level", "log"]


class DidRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A panel, the first time after, and how to compare: levels or logarithms (ratios)."""

    panel: Panel
    start: float
    scale: Scale = "level"
    randomised_seed: int | None = None
    level: float = 0.95
    alpha: float = 0.05
    seed: int = 1


def did(request: DidRequest) -> Result:
    """The effect with randomisation p and interval, Welch beside it, and the pre-trend."""
    panel, log = request.panel, request.scale == "log"
    method = f"difference in differences, {request.scale}"
    before = panel.before(request.start)
    if before.all() or not before.any():
        raise BadRequest(f"no times {'after' if before.all() else 'before'} {request.start:g}")
    change = site_means(panel, ~before, log=log) - site_means(panel, before, log=log)
    complete = np.isfinite(change)
    left_out = [name for name, kept in zip(panel.sites, complete, strict=True) if not kept]
    change, treated = change[complete], panel.treated[complete]
    inside, outside = change[treated == 1], change[treated == 0]
    if len(inside) == 0 or len(outside) == 0:
        which = "treated" if len(inside) == 0 else "control"
        return refused(method, int(complete.sum()), f"no {which} site measured before and after")
    sets = assignments(treated, seed=request.seed)
    statistics = mean_differences(change, sets)
    p = p_value(statistics, sets)
    low, high = interval(change, treated, sets, level=request.level)
    kind = "randomisation, every assignment" if sets.exact else "randomisation, drawn assignments"
    headline = _scaled(
        estimate("did", float(statistics[0]), "outcome", low=low, high=high, p=p,
                 level=request.level, model=kind), log)  # fmt: skip
    slopes = pretrend(panel, before, log=log, alpha=request.alpha, seed=request.seed)
    grade = maryland_grade(
        Design(
            treated_sites=len(inside),
            control_sites=len(outside),
            pretrend_tested=slopes is not None,
            pretrend_differs=slopes is not None and slopes.p <= request.alpha,
            randomised_seed=request.randomised_seed,
        )
    )
    outcome, sentence = verdict(
        headline, p=p, alpha=request.alpha, grade=grade, smallest_p=sets.smallest_p
    )
    return Result(
        method=method,
        n=len(change),
        estimates=[headline, *_welch(inside, outside, request.level, log)],
        sensitivity=_cell_means(panel, before, request.level) if not log else [],
        p=p,
        p_kind=kind,
        smallest_p=sets.smallest_p,
        alpha=request.alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={
            "treated_sites": len(inside),
            "control_sites": len(outside),
            "change_treated": float(inside.mean()),
            "change_control": float(outside.mean()),
            "assignments": len(statistics),
            **(_pretrend_json(slopes) if slopes is not None else {}),
        },
        warnings=_warnings(left_out, slopes, sets.smallest_p, request.alpha, len(inside)),
        seed=request.seed,
    )


def _scaled(row: Estimate, log: bool) -> Estimate:
    """Logarithms back to ratios."""
    if not log:
        return row
    back = {
        key: None if value is None else float(np.exp(value))
        for key, value in (("value", row.value), ("low", row.low), ("high", row.high))
    }
    return msgspec.structs.replace(row, unit="ratio", **back)


def _welch(inside: Array, outside: Array, level: float, log: bool) -> list[Estimate]:
    """Model-based rows: unequal variances (Welch 1947), and HC1 of the two-group regression."""
    value = float(inside.mean() - outside.mean())
    if min(len(inside), len(outside)) < 2:
        return []
    parts = [float(group.var(ddof=1)) / len(group) for group in (inside, outside)]
    se = float(np.sqrt(sum(parts)))
    if se == 0:
        return []
    df = sum(parts) ** 2 / sum(
        part**2 / (len(group) - 1) for part, group in zip(parts, (inside, outside), strict=True)
    )
    n = len(inside) + len(outside)
    hc1 = float(
        np.sqrt(sum(float(g.var()) / len(g) for g in (inside, outside)) * n / (n - 2))
    )  # fmt: skip
    rows = []
    for model, each, dof in (("Welch", se, df), ("HC1", hc1, float(n - 2))):
        low, high, p = t_interval(value, each, dof, level)
        rows.append(
            _scaled(
                estimate("did", value, "outcome", se=each, low=low, high=high, p=p, df=dof,
                         level=level, model=f"site changes, {model}"), log)
        )  # fmt: skip
    return rows


def _cell_means(panel: Panel, before: Mask, level: float) -> list[Estimate]:
    """The four cell means and their double difference, over every measurement.

    As Card & Krueger 1994 (AER 84:772), table 3.
    """
    cells: dict[str, Array] = {}
    for arm, mark in (("treated", 1.0), ("control", 0.0)):
        for when, mask in (("before", before), ("after", ~before)):
            values = panel.y[panel.treated == mark][:, mask]
            cells[f"{arm}_{when}"] = values[np.isfinite(values)]
    rows = []
    for name, values in cells.items():
        se = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
        rows.append(estimate(f"mean_{name}", float(values.mean()), "outcome", se=se, level=level))
    value = sum(
        sign * float(cells[name].mean())
        for name, sign in zip(cells, (-1, 1, 1, -1), strict=True)
    )  # fmt: skip
    se = _clustered_se(panel, before)
    low, high, p = t_interval(value, se, np.inf, level) if se > 0 else (np.nan, np.nan, np.nan)
    pooled = estimate("did", value, "outcome", se=se, low=low, high=high, p=p, level=level,
                      model="all measurements, cell means")  # fmt: skip
    return [pooled, *rows]


def _clustered_se(panel: Panel, before: Mask) -> float:
    """Standard error of the double difference of cell means, each site a cluster (Liang & Zeger).

    A site's deviations before and after are summed before they are squared, so that a site that is
    always high doesn't count as noise; times G/(G - 1). NaN with one site in an arm, which has
    nothing to differ from.
    """
    if min(int((panel.treated == mark).sum()) for mark in (0.0, 1.0)) < 2:
        return float("nan")
    total = np.zeros(len(panel.sites))
    for mark in (1.0, 0.0):
        mine = panel.treated == mark
        for mask, sign in ((before, -1.0), (~before, 1.0)):
            y = panel.y[mine][:, mask]
            seen = np.isfinite(y)
            centred = np.where(seen, y - y[seen].mean(), 0.0)
            total[mine] += sign * centred.sum(axis=1) / seen.sum()
    sites = len(total)
    return float(np.sqrt(total @ total * sites / (sites - 1)))


def event_study(request: DidRequest) -> list[Estimate]:
    """Difference between arms at each time, against the last time before, with Welch's interval.

    Balanced two-group event study with reference period -1 (Roth, Sant'Anna, Bilinski & Poe 2023,
    J Econometrics 235:2218): the regression's coefficients are these differences of means. Times
    at which an arm has fewer than two sites are left out.
    """
    panel, log = request.panel, request.scale == "log"
    before = panel.before(request.start)
    reference = int(np.flatnonzero(before)[-1])
    rows = []
    for j, time in enumerate(panel.times):
        if j == reference:
            continue
        change = _values(panel, j, log) - _values(panel, reference, log)
        groups = [change[(panel.treated == mark) & np.isfinite(change)] for mark in (1.0, 0.0)]
        if min(len(group) for group in groups) < 2:
            continue
        test = stats.ttest_ind(groups[0], groups[1], equal_var=False)
        ci = test.confidence_interval(request.level)
        value = float(groups[0].mean() - groups[1].mean())
        rows.append(
            _scaled(
                estimate(f"event_{j - reference:+d}", value, "outcome", low=float(ci.low),
                         high=float(ci.high), p=float(test.pvalue), df=float(test.df),
                         level=request.level, model=f"time {time:g}"), log)
        )  # fmt: skip
    return rows


def _values(panel: Panel, j: int, log: bool) -> Array:
    y = panel.y[:, j] if panel.exposure is None else panel.y[:, j] / panel.exposure[:, j]
    if not log:
        return y
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(y > 0, np.log(y), np.nan), dtype=np.float64)


def _pretrend_json(slopes: Pretrend) -> dict[str, Json]:
    return {
        "pretrend_slope_difference": slopes.difference,
        "pretrend_p": slopes.p,
        "pretrend_smallest_slope_found_80": slopes.detectable,
        "pretrend_bias_it_could_hide": slopes.hidden_bias,
    }


def _warnings(
    left_out: list[str], slopes: Pretrend | None, smallest_p: float, alpha: float, treated: int
) -> list[str]:
    found = []
    if left_out:
        found.append(f"left out, not measured on both sides: {shown(left_out)}")
    if smallest_p > alpha:
        found.append(
            f"with these sites the least p is {smallest_p:.3g}: it can't reach {alpha:g}, so no"
            " interval is given; more sites are the only way out"
        )
    if slopes is None:
        found.append("fewer than 3 times before: whether the arms ran alike can't be looked at")
    elif slopes.hidden_bias is not None:
        found.append(
            "not finding a pre-trend is no proof of parallel courses: a drift that would shift the"
            f" estimate by {slopes.hidden_bias:.3g} would be missed in one of five cases"
        )
    if treated == 1:
        found.append("one treated site: what else happened there is in the number")
    return found
