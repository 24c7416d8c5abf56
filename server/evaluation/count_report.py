"""The whole answer for counts before and after: which rows, which dispersion, which verdict."""

import msgspec

from server.evaluation.count_table import (
    SMALL_CELL,
    Cells,
    dispersion,
    exact_rirr,
    log_rirr,
    rate_ratio,
    ratio_estimate,
    smallest_detectable_drop,
)
from server.evaluation.displacement import (
    total_net_effects,
    wdd,
    wdq_value,
    weighted_displacement_quotient,
)
from server.evaluation.errors import BadRequest, BadTable
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.linear import Array
from server.evaluation.results import Estimate, Json, Result
from server.evaluation.table import Table, shown
from server.evaluation.verdict import verdict

ARMS = ("treated", "control", "buffer", "buffer_control")
# What is taken when no sub-periods are there to estimate it from (Farrington et al. 2007).
DOUBLED = 2.0


class CountData(msgspec.Struct, frozen=True, kw_only=True):
    """Cells by arm, how many areas stand behind each, and the dispersion, estimated or given."""

    cells: dict[str, Cells]
    areas: dict[str, int]
    phi: float | None = None
    phi_given: bool = False
    phi_df: int = 0
    sub_periods: int = 0


def count_result(
    data: CountData, *, level: float = 0.95, alpha: float = 0.05, seed: int = 1
) -> Result:
    """RES/RIRR, WDD, WDQ and Total Net Effects of one table, with the headline they allow.

    The headline is RIRR with the estimated dispersion; without sub-periods its p and interval take
    dispersion 2, because counts vary more than Poisson's, and the row with 1 stands beside it. With
    a cell below 10 the headline is the exact one.
    """
    treated, control = data.cells.get("treated"), data.cells.get("control")
    if treated is None:
        raise BadRequest(f"no treated area; arms seen: {shown(list(data.cells))}")
    if control is None:
        return _single_area(data, treated, level=level, alpha=alpha)
    phi = max(1.0, data.phi) if data.phi is not None else DOUBLED
    rows = _rirr_rows(treated, control, data, phi=phi, level=level)
    headline, beside = rows[0], rows[1:]
    warnings = _warnings(data, treated, control, phi)
    differences = wdd(
        treated, control, data.cells.get("buffer"), data.cells.get("buffer_control"),
        phi=phi if data.phi is not None else 1.0, level=level,
    )  # fmt: skip
    buffer_rows, buffer_diagnostics, buffer_warnings = _buffer(data, phi, level, seed)
    grade = maryland_grade(
        Design(treated_sites=data.areas["treated"], control_sites=data.areas["control"])
    )
    if _disagree(headline, differences[-1 if len(differences) == 1 else 1]):
        warnings.append(
            "ratio and difference point different ways: treated and control began at different"
            " levels, and the answer hangs on which of the two would have stayed parallel"
        )
    p, p_kind = _cautious(headline, beside, phi)
    outcome, sentence = verdict(headline, p=p, alpha=alpha, grade=grade, what="the count")
    return Result(
        method="counts before and after, treated and control (RES/RIRR, WDD)",
        n=round(sum(sum(cells.counts()) for cells in data.cells.values())),
        estimates=[headline, *beside, *differences, *buffer_rows],
        p=p,
        p_kind=p_kind,
        alpha=alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={
            "dispersion": data.phi,
            "dispersion_df": data.phi_df or None,
            "dispersion_used": phi,
            "smallest_detectable_drop_percent": smallest_detectable_drop(treated, control, phi=phi),
            **buffer_diagnostics,
        },
        warnings=[*warnings, *buffer_warnings],
        seed=seed if buffer_rows else None,
    )


def _rirr_rows(
    treated: Cells, control: Cells, data: CountData, *, phi: float, level: float
) -> list[Estimate]:
    log_value, se = log_rirr(treated, control, phi=phi)
    source = "given" if data.phi_given else "assumed" if data.phi is None else "estimated"
    how = f"phi {phi:.3g} {source}"
    main = ratio_estimate("rirr", log_value, se, level=level, model=how)
    rows = [main]
    if phi > 1:
        se_1 = log_rirr(treated, control)[1]
        rows.append(ratio_estimate("rirr", log_value, se_1, level=level, model="phi 1 (Poisson)"))
    res = ratio_estimate("res", -log_value, se, level=level, model=how)
    rows.append(res)
    if phi > 1:
        rows.append(ratio_estimate("res", -log_value, se_1, level=level, model="phi 1 (Poisson)"))
    if not _whole(treated, control):
        return rows
    exact = exact_rirr(treated, control, level=level)
    small = min(*treated.counts(), *control.counts()) < SMALL_CELL
    if not small:
        return [*rows, exact]
    return [exact_rirr(treated, control, level=level, mid_p=True), *rows, exact]


def _cautious(
    headline: Estimate, beside: list[Estimate], phi: float
) -> tuple[float | None, str]:  # fmt: skip
    """The headline's p; the larger of two where it is exact and counts vary more than Poisson's."""
    if not headline.model.startswith("exact") or phi <= 1:
        return headline.p, headline.model
    other = beside[0]
    if headline.p is None or other.p is None or other.p <= headline.p:
        return headline.p, headline.model
    return other.p, f"{other.model}, larger than the exact one"


def _whole(*areas: Cells) -> bool:
    return all(count == round(count) for area in areas for count in area.counts())


def _buffer(
    data: CountData, phi: float, level: float, seed: int
) -> tuple[list[Estimate], dict[str, Json], list[str]]:
    buffer, treated, control = (data.cells.get(arm) for arm in ("buffer", "treated", "control"))
    if buffer is None or treated is None or control is None:
        return [], {}, []
    if min(control.counts()) == 0:
        return [], {}, ["WDQ and Total Net Effects: the control area has a count of 0"]
    rows = [total_net_effects(treated, buffer, control, phi=phi, level=level)]
    quotient = weighted_displacement_quotient(
        treated, buffer, control, phi=phi, level=level, seed=seed
    )
    rows.append(quotient.success)
    if quotient.why_not is not None:
        return rows, {"wdq_why_not": quotient.why_not}, [f"no WDQ: {quotient.why_not}"]
    rows.append(
        Estimate(
            name="wdq", value=wdq_value(treated, buffer, control), unit="quotient",
            low=quotient.low, high=quotient.high, level=level, model="counts drawn anew",
        )
    )  # fmt: skip
    return rows, {"wdq_reading": quotient.reading}, []


def _single_area(data: CountData, treated: Cells, *, level: float, alpha: float) -> Result:
    phi = max(1.0, data.phi) if data.phi is not None else DOUBLED
    rows = rate_ratio(treated, phi=phi, level=level)
    small = min(treated.counts()) < SMALL_CELL
    rows = sorted(rows, key=lambda row: (row.model == "exact binomial") is not small)
    if phi > 1:
        poisson_row = rate_ratio(treated, level=level)[0]
        if poisson_row.model != "exact binomial":
            rows.append(poisson_row)
    grade = maryland_grade(Design(treated_sites=data.areas["treated"], control_sites=0))
    outcome, sentence = verdict(rows[0], p=rows[0].p, alpha=alpha, grade=grade, what="the count")
    return Result(
        method="counts before and after, one area (rate ratio)",
        n=round(sum(treated.counts())),
        estimates=rows,
        p=rows[0].p,
        p_kind=rows[0].model,
        alpha=alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics={"dispersion": data.phi, "dispersion_used": phi},
        warnings=["no control area: anything else that changed meanwhile is in the number"],
    )


def _warnings(data: CountData, treated: Cells, control: Cells, phi: float) -> list[str]:
    found = []
    if data.phi is None:
        found.append(
            "no sub-periods, so the dispersion can't be estimated: interval and p take 2"
            " (the row with 1 is beside it); give a count per month for a better answer"
        )
    elif not data.phi_given and data.sub_periods < 12:
        found.append(
            f"the dispersion stands on {data.sub_periods} sub-periods a cell; 12 are wanted"
        )
    counts = (*treated.counts(), *control.counts())
    if min(counts) == 0:
        found.append("a count of 0: 0.5 was added to all four in the rows that take logarithms")
    if min(counts) < SMALL_CELL and phi > 1:
        found.append(
            "a count below 10: the interval is exact for Poisson counts, and too narrow when they"
            f" vary more (dispersion {phi:.3g}); p takes the more careful of the two"
        )
    return found


def _disagree(ratio: Estimate, difference: Estimate) -> bool:
    if ratio.value is None or difference.value is None:
        return False
    return (ratio.value - 1) * difference.value < 0


def counts_from_table(table: Table) -> CountData:
    """Cells from a CSV, wide or long.

    Wide: `arm, before, after` (+ `before_exposure, after_exposure`), a row an area. Long: `arm,
    period, count` (+ `exposure`, `time`), a row a sub-period, from which the dispersion comes.
    """
    arms = table.labels("arm")
    for line, arm in zip(table.lines, arms, strict=True):
        if arm not in ARMS:
            raise BadTable(
                f"{table.path.name} line {line}: column arm is {arm!r}, not one of {shown([*ARMS])}"
            )
    return _long(table, arms) if table.has("period") else _wide(table, arms)


def _wide(table: Table, arms: list[str]) -> CountData:
    before = table.counts("before", fractions=True)
    after = table.counts("after", fractions=True)
    ones = before * 0 + 1
    exposures = [
        table.positive(name) if table.has(name) else ones
        for name in ("before_exposure", "after_exposure")
    ]
    cells, areas = {}, {}
    for arm in dict.fromkeys(arms):
        mine = [i for i, each in enumerate(arms) if each == arm]
        cells[arm] = Cells(
            float(before[mine].sum()),
            float(after[mine].sum()),
            float(exposures[0][mine].mean()),
            float(exposures[1][mine].mean()),
        )
        areas[arm] = len(mine)
    return CountData(cells=cells, areas=areas)


def _long(table: Table, arms: list[str]) -> CountData:
    periods, counts = table.labels("period"), table.counts("count")
    for line, period in zip(table.lines, periods, strict=True):
        if period not in ("before", "after"):
            raise BadTable(
                f"{table.path.name} line {line}: column period is {period!r}, not before or after"
            )
    exposure = table.positive("exposure") if table.has("exposure") else counts * 0 + 1
    cell_of = [f"{arm} {period}" for arm, period in zip(arms, periods, strict=True)]

    def total(values: Array, arm: str, period: str) -> float:
        mine = [i for i, name in enumerate(cell_of) if name == f"{arm} {period}"]
        if not mine:
            raise BadTable(f"{table.path.name}: no rows for {arm}, {period}")
        return float(values[mine].sum())

    cells = {
        arm: Cells(
            total(counts, arm, "before"),
            total(counts, arm, "after"),
            total(exposure, arm, "before"),
            total(exposure, arm, "after"),
        )
        for arm in dict.fromkeys(arms)
    }
    areas = {arm: _areas(table, arms, arm) for arm in cells}
    smallest = min(cell_of.count(name) for name in set(cell_of))
    if smallest < 2:
        return CountData(cells=cells, areas=areas)
    time = table.labels("time") if table.has("time") else None
    phi, df = dispersion(counts, exposure, cell_of, time)
    return CountData(cells=cells, areas=areas, phi=phi, phi_df=df, sub_periods=smallest)


def _areas(table: Table, arms: list[str], arm: str) -> int:
    if not table.has("area"):
        return 1
    names = table.labels("area")
    return len({name for name, each in zip(names, arms, strict=True) if each == arm})
