"""Published numbers and ours, side by side. Inputs: the folder of published data sets."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from server.evaluation.bsts import BstsRequest, bsts
from server.evaluation.count_table import Cells, log_rirr, rate_ratio, ratio_estimate
from server.evaluation.did import DidRequest, did
from server.evaluation.displacement import wdd, wdq_value
from server.evaluation.its import its
from server.evaluation.its_request import ItsRequest
from server.evaluation.panel import Panel, panel_from_table
from server.evaluation.results import Estimate
from server.evaluation.segmented import Season
from server.evaluation.synthetic_control import ScRequest, fit_synthetic, synthetic_control
from server.evaluation.table import read_table


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One published figure; `decimals` are those that it was printed with."""

    study: str
    what: str
    inputs: str
    published: float
    ours: float
    decimals: int
    why_different: str = ""
    slack: float = 0.0

    @property
    def same(self) -> bool:
        """Whether ours is the published figure to its last digit.

        `slack` is how far the rounding of printed inputs can move it.
        """
        near = 0.5000001 * 10.0**-self.decimals + self.slack
        return bool(abs(self.ours - self.published) < near)


def _triple(
    study: str, what: str, inputs: str, published: tuple[float, ...], row: Estimate, decimals: int,
    why: str = "", slack: float = 0.0,
) -> Iterator[Target]:  # fmt: skip
    found = (row.value, row.low, row.high)
    for name, theirs, ours in zip(("", ", low", ", high"), published, found, strict=False):
        yield Target(
            study=study, what=what + name, inputs=inputs, published=theirs,
            ours=float("nan") if ours is None else ours, decimals=decimals, why_different=why,
            slack=slack,
        )  # fmt: skip


def counts() -> Iterator[Target]:
    """RES, RIRR, WDD, WDQ; the inputs are in the rows."""
    log_value, se = log_rirr(Cells(50, 30), Cells(60, 55))
    rirr = ratio_estimate("rirr", log_value, se, level=0.95)
    blog, table = "Wheeler 2021, blog 18 March", "50→30, 60→55"
    yield Target(study=blog, what="ln RIRR", inputs=table, published=-0.4238142, ours=log_value,
                 decimals=7)  # fmt: skip
    yield Target(study=blog, what="RIRR", inputs=table, published=0.6545455,
                 ours=rirr.value or 0, decimals=7)  # fmt: skip
    yield Target(study=blog, what="WDD", inputs=table, published=-15,
                 ours=wdd(Cells(50, 30), Cells(60, 55))[0].value or 0, decimals=0)  # fmt: skip
    stoke = float(np.exp(-log_rirr(Cells(100, 57), Cells(100, 98))[0]))
    yield Target(study="Stoke-on-Trent, Painter & Farrington 1999", what="RES, incidence",
                 inputs="-43 %, -2 %", published=1.72, ours=stoke, decimals=2)  # fmt: skip
    dudley = float(np.exp(-log_rirr(Cells(100, 59), Cells(100, 85))[0]))
    yield Target(study="Dudley, Painter & Farrington 1997", what="RES, incidence",
                 inputs="-41 %, -15 %", published=1.44, ours=dudley, decimals=2)  # fmt: skip
    yield Target(study="streetlamp (R), unit test", what="WDQ", inputs="100→50, 100→150, 100→100",
                 published=-1, decimals=0,
                 ours=wdq_value(Cells(100, 50), Cells(100, 150), Cells(100, 100)))  # fmt: skip
    yield from _wheeler_ratcliffe()


def _wheeler_ratcliffe() -> Iterator[Target]:
    study = "Wheeler & Ratcliffe 2018"
    table = "treated 207→110, control 308→318, beside 178→157, its control 150→140"
    areas = [(207, 110), (308, 318), (178, 157), (150, 140)]
    total = wdd(*[Cells(*pair) for pair in areas])[0]
    yield from _triple(study, "WDD", table, (-118, -196, -40), total, 0)
    yield Target(study=study, what="WDD, standard error", inputs=table, published=1568**0.5,
                 ours=total.se or 0, decimals=6)  # fmt: skip
    sized = zip(areas, (1.2, 0.9, 1.5, 1.6), strict=True)
    weighted = wdd(*[Cells(*pair, size, size) for pair, size in sized])[0]
    yield from _triple("ptools (R), test of area weights", "WDD", table + "; sizes 1.2 .9 1.5 1.6",
                       (-99.69444444, -169.1321965, -30.25669241), weighted, 7)  # fmt: skip
    (uneven,) = wdd(Cells(80, 20, 2, 1), Cells(100, 50, 2, 1))
    yield Target(study="Wheeler 2021, blog 9 January", what="WDD, standard error",
                 inputs="80→20, 100→50, two years before, one after", published=115**0.5,
                 ours=uneven.se or 0, decimals=6)  # fmt: skip


def chicago() -> Iterator[Target]:
    """Chicago's street-light outages: crimes during against the 60 days around, per exposure.

    The rates are printed with three decimals, and the counts around come from them: "same" allows
    for that rounding.
    """
    rows = (
        ("alley", 10264, 9657, (1.872, 1.935, 1.853), (3.869, 1.572, 6.219)),
        ("one out", 10777, 7936, (1.731, 2.102, 1.739), (21.145, 18.241, 24.121)),
        ("all out", 12472, 15703, (7.148, 7.653, 7.166), (6.923, 5.192, 8.683)),
        ("alley, robbery", 10264, 851, (0.148, 0.170, 0.145), (16.324, 7.782, 25.543)),
    )
    for name, outages, crimes, (before, during, after), published in rows:
        around = outages * (before + after)
        area = Cells(around, crimes, outages * 60, crimes / during * 30)
        row = next(r for r in rate_ratio(area, level=0.95) if r.model == "phi 1")
        ends = [100 * ((v or 0) - 1) for v in (row.value, row.low, row.high)]
        percent = msgspec.structs.replace(row, value=ends[0], low=ends[1], high=ends[2])
        yield from _triple(
            "Chicago outages, DSSG 2013", f"{name}, % more crimes during",
            f"{outages} outages, {crimes} crimes during, per 30 days {before} {during} {after}",
            published, percent, 3, "the printed rates are rounded",
            slack=(100 + published[0]) * 0.0005 * (1 / during + 2 / (before + after)),
        )  # fmt: skip


def sicily(folder: Path) -> Iterator[Target]:
    """Lopez Bernal et al. 2017, and the same models run in R and statsmodels."""
    table = read_table(folder / "sicily.csv")
    base = ItsRequest(
        time=table.numbers("time"), y=table.numbers("aces"), exposure=table.numbers("stdpop"),
        start=37, family="quasipoisson", slope=False, origin_before=True,
    )  # fmt: skip
    plain = its(base)
    season = its(msgspec.structs.replace(base, season=Season(12, 2)))
    slope = its(msgspec.structs.replace(base, season=Season(12, 2), slope=True))
    study = "Sicily smoking ban, Lopez Bernal et al. 2017"
    for result, model, figures, decimals in (
        (plain, "Poisson", (0.894, 0.864, 0.925), 3),
        (plain, "quasi-Poisson", (0.8944, 0.8392, 0.9532), 4),
        (season, "quasi-Poisson", (0.8851, 0.8394, 0.9332), 4),
        (season, "negative binomial", (0.8842, 0.8411, 0.9295), 4),
        (slope, "quasi-Poisson", (0.8765, 0.8268, 0.9292), 4),
    ):
        row = next(r for r in result.sensitivity if r.name == "level_change" and r.model == model)
        why = {
            "Poisson": "the notes give the paper's from memory",
            "negative binomial": "theirs (statsmodels) by observed, ours (as R) by expected"
            " information",
        }.get(model, "")
        with_ = "plain" if result is plain else "season" if result is season else "season, slope"
        yield from _triple(study, f"level, {model}, {with_}", "sicily.csv, month 37", figures, row,
                           decimals, why)  # fmt: skip
    for name, value, ours in (
        ("dispersion, plain", 3.559, plain.diagnostics["dispersion"]),
        ("dispersion, season", 2.262, season.diagnostics["dispersion"]),
    ):
        yield Target(study=study, what=name, inputs="sicily.csv", published=value,
                     ours=_float(ours), decimals=3)  # fmt: skip


def linden(folder: Path) -> Iterator[Target]:
    """Stata's itsa on Californian cigarette sales: OLS with Newey-West(1)."""
    table = read_table(folder / "prop99.csv")
    mine = [i for i, state in enumerate(table.labels("State")) if state == "California"]
    result = its(
        ItsRequest(time=table.numbers("Year")[mine], y=table.numbers("PacksPerCapita")[mine],
                   start=1989, hac_lag=1)
    )  # fmt: skip
    for name, value, se, decimals in (
        ("trend", -1.779474, 0.3834188, 6),
        ("level_change", -20.0581, 4.724395, 4),
        ("slope_change", -1.494652, 0.4368201, 6),
    ):
        row = next(
            r for r in result.sensitivity if r.name == name and "Newey-West(1)" in r.model
        )  # fmt: skip
        study, source = "Linden 2015, itsa (Stata)", "prop99.csv, California, 1989"
        yield Target(study=study, what=name, inputs=source, published=value, ours=row.value or 0,
                     decimals=decimals)  # fmt: skip
        yield Target(study=study, what=f"{name}, standard error", inputs=source, published=se,
                     ours=row.se or 0, decimals=6)  # fmt: skip


def card_krueger(folder: Path) -> Panel:
    """Full-time equivalents (full time + managers + half of part time) of 410 restaurants, twice.

    Columns by place, as in the authors' codebook: 3 state, 11-13 and 31-33 staff.
    """
    lines = (folder / "ck_public.dat").read_text(encoding="latin-1").splitlines()
    rows = [[float("nan") if cell == "." else float(cell) for cell in line.split()]
            for line in lines]  # fmt: skip
    data = np.array([row[:46] for row in rows if row])
    y = np.column_stack(
        [data[:, full] + data[:, full + 2] + 0.5 * data[:, full + 1] for full in (11, 31)]
    )
    return Panel(
        sites=[f"{i}" for i in range(len(y))], times=np.array([1.0, 2.0]), y=y, treated=data[:, 3]
    )


def minimum_wage(folder: Path) -> Iterator[Target]:
    """Card & Krueger 1994, table 3 (and the balanced sample)."""
    result = did(DidRequest(panel=card_krueger(folder), start=2))
    pooled, *means = result.sensitivity
    study, source = "Card & Krueger 1994", "ck_public.dat"
    published = {"mean_treated_before": 20.44, "mean_treated_after": 21.03,
                 "mean_control_before": 23.33, "mean_control_after": 21.17}  # fmt: skip
    for row in means:
        yield Target(study=study, what=row.name, inputs=source, published=published[row.name],
                     ours=row.value or 0, decimals=2)  # fmt: skip
    yield Target(study=study, what="difference in differences, all stores", inputs=source,
                 published=2.76, ours=pooled.value or 0, decimals=2,
                 why_different="difference of the rounded means in print")  # fmt: skip
    yield Target(study=study, what="its standard error", inputs=source, published=1.36,
                 ours=pooled.se or 0, decimals=2,
                 why_different="theirs from the arms' changes, ours by store")  # fmt: skip
    hc1 = next(row for row in result.estimates if "HC1" in row.model)
    yield Target(study=study, what="balanced stores", inputs=source, published=2.75,
                 ours=hc1.value or 0, decimals=2)  # fmt: skip
    yield Target(study=study, what="balanced, standard error", inputs=source, published=1.34,
                 ours=hc1.se or 0, decimals=2)  # fmt: skip


def proposition_99(folder: Path) -> Iterator[Target]:
    """Synthetic California."""
    panel = panel_from_table(
        read_table(folder / "prop99.csv"), unit="State", time="Year", outcome="PacksPerCapita",
        treated="treated",
    )  # fmt: skip
    source = "prop99.csv, 39 states, 1970-2000"
    difference = did(DidRequest(panel=panel, start=1989)).estimates[0].value or 0
    study = "Arkhangelsky et al. 2021"
    yield Target(study=study, what="difference in differences", inputs=source, published=-27.3,
                 ours=difference, decimals=1)  # fmt: skip
    result = synthetic_control(ScRequest(panel=panel, start=1989))
    yield Target(
        study=study,
        what="synthetic control",
        inputs=source,
        published=-19.6,
        ours=result.estimates[0].value or 0,
        decimals=1,
        why_different="theirs adds a small ridge and stops early; ours is the optimum",
    )
    before = panel.before(1989)
    mine = panel.treated == 1
    fit = fit_synthetic(panel.y[mine][0], panel.y[~mine], before, demean=False)
    states = [site for site, treated in zip(panel.sites, panel.treated, strict=True) if not treated]
    weights = dict(zip(states, fit.weights, strict=True))
    notes = "outcomes alone, exact optimum (research note)"
    for state, weight in (
        ("Utah", 0.394),
        ("Montana", 0.232),
        ("Nevada", 0.205),
        ("Connecticut", 0.109),
        ("New Hampshire", 0.045),
        ("Colorado", 0.015),
    ):
        yield Target(study=notes, what=f"weight of {state}", inputs=source, published=weight,
                     ours=float(weights[state]), decimals=3)  # fmt: skip
    yield Target(study=notes, what="gap in 2000", inputs=source, published=-26.60,
                 ours=float(fit.gap[-1]), decimals=2)  # fmt: skip
    yield Target(study=notes, what="placebo p (rank 3 of 39)", inputs=source, published=0.077,
                 ours=result.p or 0, decimals=3)  # fmt: skip


CAUSAL_IMPACT = (
    # file, outcome, controls, first row after, prediction (s.d.), effect (s.d.), interval, tail
    ("comparison_data.csv", "CHANGED", ("NOT_CHANGED_1", "NOT_CHANGED_2", "NOT_CHANGED_3"), 91,
     (79232, 736), (-657, 736), (-2076, 832), 0.20061),
    ("arma_data.csv", "y", ("X",), 71, (120, 0.3), (0.89, 0.3), (0.27, 1.5), 0.00301),
    ("basque.csv", "Basque", ("another",), 22, (8.6, 0.31), (-0.76, 0.31), (-1.4, -0.2), 0.00413),
)  # fmt: skip


class BayesRow(msgspec.Struct, frozen=True, kw_only=True):
    """CausalImpact's printed summary and ours, for one data set; a sampler has no last digit."""

    file: str
    what: str
    published: float
    ours: float


def causal_impact(folder: Path) -> Iterator[BayesRow]:
    """R CausalImpact's summaries on data of tfcausalimpact's notebooks/R."""
    for file, outcome, controls, first, predicted, effect, interval, tail in CAUSAL_IMPACT:
        if not (folder / file).exists():
            continue
        table = read_table(folder / file)
        result = bsts(
            BstsRequest(
                time=np.arange(1.0, len(table) + 1), y=table.numbers(outcome),
                controls={name: table.numbers(name) for name in controls}, start=float(first),
                draws=4000, level_sd=0.01,
            )
        )  # fmt: skip
        rows = {row.name: row for row in result.estimates}
        mean, prediction = rows["mean_effect_after"], rows["predicted_mean_after"]
        for what, theirs, ours in (
            ("prediction", predicted[0], prediction.value),
            ("its s.d.", predicted[1], prediction.se),
            ("effect", effect[0], mean.value),
            ("effect, low", interval[0], mean.low),
            ("effect, high", interval[1], mean.high),
            ("tail area", tail, _float(result.diagnostics["one_sided_tail"])),
        ):
            yield BayesRow(file=file, what=what, published=theirs, ours=ours or 0.0)


def _float(value: object) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")


def targets(folder: Path) -> list[Target]:
    """Every target with a last digit."""
    return [
        *counts(), *chicago(), *sicily(folder), *linden(folder), *minimum_wage(folder),
        *proposition_99(folder),
    ]  # fmt: skip
