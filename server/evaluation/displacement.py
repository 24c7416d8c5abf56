"""Did it move next door? Weighted displacement difference and quotient, total net effects."""

import msgspec
import numpy as np
from scipy import stats

from server.evaluation.count_table import Cells
from server.evaluation.linear import Array, t_interval
from server.evaluation.results import Estimate, estimate

_DRAWS = 4000


def wdd(
    treated: Cells,
    control: Cells,
    buffer: Cells | None = None,
    buffer_control: Cells | None = None,
    *,
    phi: float = 1.0,
    level: float = 0.95,
) -> list[Estimate]:
    """Change in the treated area less the control's, and the same for the buffer; then their sum.

    Wheeler & Ratcliffe 2018 (Crime Science 7:11): WDD = (T1 - T0) - (C1 - C0) + (D1 - D0) - (Cd1 -
    Cd0), variance the sum of all counts; with weights (here exposures) each count is n/w and its
    variance n/w^2. `phi` multiplies the variance. A buffer without a control of its own is taken
    at its raw change, as theirs does.
    """
    local = _difference("wdd_local", [(treated, 1), (control, -1)], phi, level)
    if buffer is None:
        return [local]
    beside = [(buffer, 1)] + ([] if buffer_control is None else [(buffer_control, -1)])
    displaced = _difference("wdd_displacement", beside, phi, level)
    total = _difference("wdd_total", [(treated, 1), (control, -1), *beside], phi, level)
    return [total, local, displaced]


def _difference(
    name: str, areas: list[tuple[Cells, int]], phi: float, level: float
) -> Estimate:  # fmt: skip
    value = variance = 0.0
    for area, sign in areas:
        before, after = area.rates()
        value += sign * (after - before)
        variance += after / area.after_exposure + before / area.before_exposure
    se = float(np.sqrt(phi * variance))
    low, high, p = t_interval(value, se, np.inf, level) if se > 0 else (np.nan, np.nan, np.nan)
    return estimate(
        name, value, "count", se=se, low=low, high=high, level=level, p=p, model=f"phi {phi:.3g}"
    )


class Quotient(msgspec.Struct, frozen=True, kw_only=True):
    """WDQ with the success measure that it stands on; `reading` is None where it must not be read.

    `wdq` is always the plain quotient; `why_not` says why it must not be reported.
    """

    success: Estimate
    wdq: float | None
    low: float | None = None
    high: float | None = None
    reading: str | None = None
    why_not: str | None = None


def wdq_value(treated: Cells, buffer: Cells, control: Cells) -> float:
    """WDQ = (Da/Ca - Db/Cb) / (Ra/Ca - Rb/Cb).

    Bowers & Johnson 2003 (J Quant Criminol 19:275); R treated, D buffer, C control, b before,
    a after. The denominator is the success measure.
    """
    (rb, ra), (db, da), (cb, ca) = treated.rates(), buffer.rates(), control.rates()
    return (da / ca - db / cb) / (ra / ca - rb / cb)


def weighted_displacement_quotient(
    treated: Cells, buffer: Cells, control: Cells, *, phi: float, level: float, seed: int
) -> Quotient:
    """WDQ, only when the success measure is negative beyond noise (its interval ends below 0).

    A quotient of two noisy numbers has no closed interval: percentiles of counts drawn anew with
    variance phi x mean are given instead. Reading: Guerette 2009 (POP Center tool guide 10).
    """
    success = success_measure(treated, control, phi=phi, level=level)
    if success.high is None:
        return Quotient(success=success, wdq=None, why_not="an area has no counts to divide by")
    value = wdq_value(treated, buffer, control)
    if success.high >= 0:
        why = (
            f"the success measure is {success.value:.3f} ({success.low:.3f} to {success.high:.3f}),"
            " not clearly below 0: without a direct effect there is nothing that could be displaced"
        )
        return Quotient(success=success, wdq=value, why_not=why)
    draws = _redrawn([treated, buffer, control], phi, seed)
    (rb, ra, db, da, cb, ca) = draws
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = (da / ca - db / cb) / (ra / ca - rb / cb)
    quotients = quotients[np.isfinite(quotients)]
    low, high = np.quantile(quotients, [(1 - level) / 2, (1 + level) / 2])
    settled = low > 0 or high < 0
    said = reading(value) if settled else "not settled: from displacement to spread of benefits"
    return Quotient(success=success, wdq=value, low=float(low), high=float(high), reading=said)


def success_measure(treated: Cells, control: Cells, *, phi: float, level: float) -> Estimate:
    """Ra/Ca - Rb/Cb with its interval by the delta method (each count's variance phi x itself)."""
    (rb, ra), (cb, ca) = treated.rates(), control.rates()
    if ca == 0 or cb == 0:
        return estimate("success_measure", np.nan, "share of control")
    relative = [(share, cells) for share, cells in ((ra / ca, "after"), (rb / cb, "before"))]
    variance = 0.0
    for share, when in relative:
        mine, its = getattr(treated, when), getattr(control, when)
        variance += share**2 * (1 / mine + 1 / its) if mine else 0.0
    value, se = ra / ca - rb / cb, float(np.sqrt(phi * variance))
    low, high, p = t_interval(value, se, np.inf, level) if se > 0 else (np.nan, np.nan, np.nan)
    return estimate(
        "success_measure", value, "share of control", se=se, low=low, high=high, level=level, p=p
    )


def reading(wdq: float) -> str:
    """What a WDQ says, when it may be read (Guerette 2009, tool guide 10, table 2)."""
    if wdq > 1:
        return "benefits spread to the buffer, more than the direct effect"
    if wdq > 0:
        return "benefits spread to the buffer"
    if wdq == 0:
        return "no displacement, no spread"
    if wdq > -1:
        return "displacement to the buffer, less than the direct effect"
    if wdq == -1:
        return "displacement to the buffer cancels the direct effect"
    return "displacement to the buffer outweighs the direct effect"


def total_net_effects(
    treated: Cells, buffer: Cells, control: Cells, *, phi: float, level: float
) -> Estimate:
    """Counts prevented in treated area and buffer together, against the control's course.

    TNE = [Rb (Ca/Cb) - Ra] + [Db (Ca/Cb) - Da]: Guerette 2009, appendix C. Interval by the delta
    method. Unequal exposures scale the expected counts.
    """
    k = (control.after / control.after_exposure) / (control.before / control.before_exposure)
    value = variance = 0.0
    expected_total = 0.0
    for area in (treated, buffer):
        stretch = k * area.after_exposure / area.before_exposure
        value += area.before * stretch - area.after
        variance += area.before * stretch**2 + area.after
        expected_total += area.before * stretch
    variance += expected_total**2 * (1 / control.after + 1 / control.before)
    se = float(np.sqrt(phi * variance))
    low, high, p = t_interval(value, se, np.inf, level)
    return estimate(
        "total_net_effects", value, "count prevented", se=se, low=low, high=high, level=level, p=p
    )


def _redrawn(areas: list[Cells], phi: float, seed: int) -> list[Array]:
    """Before and after of each area, (draws,) per exposure; gamma-Poisson, variance phi mean."""
    rng = np.random.default_rng(seed)
    drawn: list[Array] = []
    for area in areas:
        for count, exposure in zip(
            area.counts(), (area.before_exposure, area.after_exposure), strict=True
        ):
            mean = np.full(_DRAWS, max(count, 0.5))
            if phi > 1:
                mean = stats.gamma.rvs(mean / (phi - 1), scale=phi - 1, random_state=rng)
            drawn.append(rng.poisson(mean) / exposure)
    return drawn
