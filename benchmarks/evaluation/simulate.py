"""Every method on made-up streets with a known effect: bias, coverage, false positives.

python -m benchmarks.evaluation simulate [--runs 1000] [--bayes-runs 200] [--only its]
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import special

from benchmarks.evaluation import worlds
from benchmarks.evaluation.tally import Answer, Task, tally
from server.evaluation import linear
from server.evaluation.bsts import BstsRequest, bsts
from server.evaluation.count_regression import ar1_counts, poisson, quasi_binomial
from server.evaluation.count_report import CountData, count_result
from server.evaluation.count_table import Cells, dispersion, exact_rirr, log_rirr
from server.evaluation.did import DidRequest, did
from server.evaluation.linear import Array
from server.evaluation.panel import Panel
from server.evaluation.results import Estimate, Result
from server.evaluation.segmented import Season, Segments, segments
from server.evaluation.survey import SurveyRequest, survey_did
from server.evaluation.synthetic_control import ScRequest, synthetic_control

Run = Callable[[np.random.Generator], Answer | None]
EFFECT = 0.2  # about +22 % on a ratio, or 0.2 of a unit


def _wald(value: float, se: float, df: float, truth: float) -> Answer:
    low, high, p = linear.t_interval(value, se, df, 0.95)
    return Answer(value, low <= truth <= high, p)


def _mixture(mixture: linear.Mixture, value: float, truth: float) -> Answer:
    """The interval's ends are where p is 5 %."""
    return Answer(value, mixture.p(truth) >= 0.05, mixture.p())


def _row(row: Estimate, p: float | None, truth: float, *, log: bool) -> Answer:
    """An estimate's row, a ratio's by its logarithm; no interval where both ends are open."""
    low = -math.inf if row.low is None else row.low
    high = math.inf if row.high is None else row.high
    value = 0.0 if row.value is None else row.value
    if log:
        value = math.log(value) if value > 0 else -math.inf
        low = math.log(low) if low > 0 else -math.inf
        high = math.log(high)
    holds = None if math.isinf(low) and math.isinf(high) else low <= truth <= high
    return Answer(value, holds, 1.0 if p is None else p)


def shifted(method: str, setting: str, runs: int, make: Callable[[float], Run]) -> Task:
    """Without an effect, for methods whose answer just moves along with an added effect."""
    return Task(
        method=method, setting=setting, runs=runs,
        compute=lambda: tally(method, setting, runs, make(0.0), truth=0.0),
    )  # fmt: skip


def both(method: str, setting: str, runs: int, make: Callable[[float], Run]) -> Task:
    """With the effect, and the false positives without."""
    return Task(
        method=method, setting=setting, runs=runs,
        compute=lambda: tally(method, setting, runs, make(EFFECT), truth=EFFECT, null=make(0.0)),
    )  # fmt: skip


def its_linear(runs: int) -> Iterator[Task]:
    """Level change (with slope change in the model) of a Gaussian series, five ways."""

    def run(n: int, rho: float, how: str, missing: float) -> Callable[[float], Run]:
        def make(effect: float) -> Run:
            def one(rng: np.random.Generator) -> Answer:
                time = np.arange(n, dtype=np.float64)
                y = worlds.ar1(rng, n, rho) + effect * (time >= n // 2)
                keep = rng.random(n) >= missing
                s = segments(time[keep], start=float(n // 2), slope=True)
                return _linear_answer(y[keep], s, how, effect)

            return one

        return make

    for n in (24, 48, 104):
        for rho in (0.0, 0.4, 0.8):
            setting = f"{n} points, rho {rho}"
            yield shifted("ITS, AR(1) averaged", setting, runs, run(n, rho, "averaged", 0.0))
    for n, rho in ((48, 0.4),):
        for how in ("ML", "Prais-Winsten", "OLS", "Newey-West"):
            setting = f"{n} points, rho {rho}"
            yield shifted(f"ITS, {how} (beside)", setting, runs, run(n, rho, how, 0.0))
    yield shifted(
        "ITS, AR(1) averaged", "104 points, rho 0.6, 20 % missing", runs,
        run(104, 0.6, "averaged", 0.2),
    )  # fmt: skip


def _linear_answer(y: Array, s: Segments, how: str, truth: float) -> Answer:
    j = s.column("level_change")
    unit = np.eye(s.x.shape[1])[j]
    if how == "averaged":
        mixture = linear.ar1_posterior(y, s.x, s.steps).contrast(unit)
        return _mixture(mixture, float(mixture.weight @ mixture.centre), truth)
    if how == "ML":
        fit = linear.ar1_max_likelihood(y, s.x, s.steps)
        return _wald(float(fit.beta[j]), float(fit.se()[j]), fit.df, truth)
    if how == "Prais-Winsten":
        fit = linear.prais_winsten(y, s.x, s.steps)
        return _wald(float(fit.beta[j]), float(fit.se()[j]), fit.df, truth)
    fit = linear.ols(y, s.x)
    if how == "OLS":
        return _wald(float(fit.beta[j]), float(fit.se()[j]), fit.df, truth)
    hac = linear.newey_west(fit, s.x, linear.hac_lag(len(y)))
    return _wald(float(fit.beta[j]), float(np.sqrt(hac[j, j])), fit.df, truth)


def its_counts(runs: int) -> Iterator[Task]:
    """Level change of monthly counts with season; alone, and against a control series."""

    def run(n: int, rho: float, phi: float, how: str, base: float) -> Callable[[float], Run]:
        def make(effect: float) -> Run:
            def one(rng: np.random.Generator) -> Answer:
                start = n * 3 // 5
                y = worlds.monthly(
                    rng, n, start, base=base, rho=rho, sd=0.1, phi=phi, effect=effect
                )
                s = segments(np.arange(n, dtype=np.float64), start=float(start), slope=False,
                             season=Season(12, 1))  # fmt: skip
                fit = poisson(y, s.x, np.zeros(n))
                j = s.column("level_change")
                if how == "quasi":
                    se = float(np.sqrt(fit.phi * fit.cov[j, j]))
                    return _wald(float(fit.beta[j]), se, np.inf, effect)
                mixture = ar1_counts(fit, s.x, s.steps).contrast(np.eye(s.x.shape[1])[j])
                return _mixture(mixture, float(fit.beta[j]), effect)

            return one

        return make

    for n, rho, phi, base in (
        (60, 0.0, 1.0, 8.0), (60, 0.0, 3.0, 100.0), (60, 0.5, 3.0, 100.0), (120, 0.8, 3.0, 400.0),
    ):  # fmt: skip
        setting = f"{n} months of {base:g}, rho {rho}, dispersion {phi:g}"
        yield both("count ITS, AR(1) averaged", setting, runs, run(n, rho, phi, "ar1", base))
        if rho in (0.5, 0.8):
            yield both("count ITS, quasi-Poisson (beside)", setting, runs,
                       run(n, rho, phi, "quasi", base))  # fmt: skip
    yield both("controlled count ITS, AR(1) averaged", "60 months, common shocks of 30 %", runs,
               _controlled)  # fmt: skip


def _controlled(effect: float) -> Run:
    def one(rng: np.random.Generator) -> Answer:
        n, start = 60, 36
        shock = 0.3 * worlds.ar1(rng, n, 0.7)
        step = effect * (np.arange(n) >= start)
        own = [0.05 * worlds.ar1(rng, n, 0.4) for _ in range(2)]
        treated = worlds.counts(rng, 120 * np.exp(shock + own[0] + step), 2.0)
        control = worlds.counts(rng, 90 * np.exp(shock + own[1]), 2.0)
        s = segments(np.arange(n, dtype=np.float64), start=float(start), slope=False)
        fit = quasi_binomial(treated, control, s.x, np.zeros(n))
        j = s.column("level_change")
        mixture = ar1_counts(fit, s.x, s.steps).contrast(np.eye(s.x.shape[1])[j])
        return _mixture(mixture, float(fit.beta[j]), effect)

    return one


def count_tables(runs: int) -> Iterator[Task]:
    """RIRR with estimated, doubled and no dispersion; exact for small counts."""

    def run(mean: float, phi: float, how: str) -> Callable[[float], Run]:
        def make(effect: float) -> Run:
            def one(rng: np.random.Generator) -> Answer:
                means = mean / 12 * np.array([1, np.exp(effect), 1, 1])
                months = worlds.counts(rng, np.repeat(means, 12), phi)
                a, b, c, d = months.reshape(4, 12).sum(axis=1)
                treated, control = Cells(a, b), Cells(c, d)
                if how in ("exact", "mid-p"):
                    row = exact_rirr(treated, control, level=0.95, mid_p=how == "mid-p")
                    return _row(row, row.p, effect, log=True)
                if how == "estimated":
                    cell = [f"{i}" for i in np.repeat(np.arange(4), 12)]
                    used = max(1.0, dispersion(months, np.ones(48), cell, None)[0])
                else:
                    used = {"Poisson": 1.0, "doubled": 2.0}[how]
                return _wald(*log_rirr(treated, control, phi=used), np.inf, effect)

            return one

        return make

    for mean, phi in ((60.0, 1.0), (60.0, 2.0), (240.0, 4.0), (1000.0, 8.0)):
        for how in ("estimated", "doubled", "Poisson"):
            name = "RIRR, dispersion estimated" if how == "estimated" else f"RIRR, {how} (beside)"
            yield both(name, f"{mean:g} a cell, dispersion {phi:g}", runs, run(mean, phi, how))
    for mean in (6.0, 12.0):
        setting = f"{mean:g} a cell, dispersion 1"
        yield both("RIRR, exact mid-p", setting, runs, run(mean, 1.0, "mid-p"))
        yield both("RIRR, exact (beside)", setting, runs, run(mean, 1.0, "exact"))


def did_few(runs: int) -> Iterator[Task]:
    """As many sites as a pilot has."""
    yield from did_sites(runs, ((2, 6), (3, 6), (5, 8)), welch=True)


def did_many(runs: int) -> Iterator[Task]:
    """More sites than assignments can be gone through, and one treated among many."""
    yield from did_sites(runs, ((10, 10), (1, 30)), welch=False)


def did_sites(
    runs: int, sites: tuple[tuple[int, int], ...], *, welch: bool
) -> Iterator[Task]:  # fmt: skip
    """DiD of log rates over sites: randomisation, and Welch beside it."""

    def run(treated: int, control: int, missing: float, how: str) -> Callable[[float], Run]:
        def make(effect: float) -> Run:
            def one(rng: np.random.Generator) -> Answer | None:
                y = worlds.sites(rng, treated, control, 52, 26, effect=effect, missing=missing)
                result = did(_did_request(y, treated))
                return _did_answer(result, how, effect)

            return one

        return make

    for treated, control in sites:
        for missing in (0.0, 0.2) if (treated, control) == (5, 8) else (0.0,):
            setting = f"{treated} of {treated + control} sites" + (
                f", {missing:.0%} missing" if missing else ""
            )
            yield both("DiD, randomisation", setting, runs, run(treated, control, missing, "ri"))
            if welch and not missing:
                yield both("DiD, Welch (beside)", setting, runs,
                           run(treated, control, missing, "welch"))  # fmt: skip


def _did_request(y: Array, treated: int) -> DidRequest:
    arms = np.zeros(len(y))
    arms[:treated] = 1.0
    panel = Panel(
        sites=[f"s{i}" for i in range(len(y))],
        times=np.arange(y.shape[1], dtype=np.float64),
        y=y,
        treated=arms,
    )
    return DidRequest(panel=panel, start=y.shape[1] / 2, scale="log")


def _did_answer(result: Result, how: str, truth: float) -> Answer | None:
    if result.refusal is not None:
        return None
    row = result.estimates[0 if how == "ri" else 1]
    return _row(row, row.p, truth, log=True)


def synthetic(runs: int) -> Iterator[Task]:
    """Placebo rank and placebo interval of the synthetic control."""

    def make_with(donors: int) -> Callable[[float], Run]:
        def make(effect: float) -> Run:
            def one(rng: np.random.Generator) -> Answer | None:
                y = worlds.factors(rng, donors, 60, 40, effect=10 * effect)
                arms = np.zeros(donors + 1)
                arms[0] = 1.0
                panel = Panel(
                    sites=[f"s{i}" for i in range(donors + 1)],
                    times=np.arange(60, dtype=np.float64), y=y, treated=arms,
                )  # fmt: skip
                result = synthetic_control(ScRequest(panel=panel, start=40.0))
                if result.refusal is not None:
                    return None
                return _row(result.estimates[0], result.p, 10 * effect, log=False)

            return one

        return make

    yield shifted("synthetic control, placebos", "39 donors, 40 + 20 times", runs, make_with(39))
    yield shifted("synthetic control, placebos", "19 donors, 40 + 20 times", runs, make_with(19))


def surveys(runs: int) -> Iterator[Task]:
    """Proportional odds with weights."""

    def make(effect: float) -> Run:
        def one(rng: np.random.Generator) -> Answer | None:
            n = 800
            treated, after = (rng.integers(0, 2, n).astype(np.float64) for _ in range(2))
            hidden = 0.3 * treated + 0.2 * after + effect * treated * after + special.logit(
                rng.random(n)
            )  # fmt: skip
            answer = np.digitize(hidden, [-1.5, -0.5, 0.5, 1.5]).astype(np.float64) + 1
            result = survey_did(
                SurveyRequest(answer=answer, treated=treated, after=after, threshold=4.0,
                              weight=rng.uniform(0.5, 2.0, n))
            )  # fmt: skip
            return _row(result.estimates[0], result.p, effect, log=True)

        return one

    yield both("survey, proportional odds", "200 a group, weights 0.5 to 2", runs, make)


def bayes(runs: int) -> Iterator[Task]:
    """The structural model where the level hardly moves, wanders, and wanders far."""

    def make_with(step: float) -> Callable[[float], Run]:
        def make(effect: float) -> Run:
            def one(rng: np.random.Generator) -> Answer | None:
                n = 100
                x = np.stack([10 + worlds.ar1(rng, n, 0.8) for _ in range(4)])
                y = 20 + 1.5 * x[0] + np.cumsum(rng.normal(0, step, n)) + rng.normal(0, 1, n)
                y[70:] += 10 * effect
                result = bsts(
                    BstsRequest(
                        time=np.arange(n, dtype=np.float64), y=y,
                        controls={f"x{i}": column for i, column in enumerate(x)}, start=70.0,
                        draws=300, seed=int(rng.integers(2**31)),
                    )
                )  # fmt: skip
                return _row(result.estimates[0], result.p, 10 * effect, log=False)

            return one

        return make

    for step in (0.02, 0.1, 0.3):
        setting = f"70 + 30 points, 4 controls, level step {step:g} of the noise"
        yield shifted("BSTS", setting, runs, make_with(step))


def single_count(runs: int) -> Iterator[Task]:
    """The whole answer of `count2x2` without sub-periods: dispersion 2 assumed."""

    def make(effect: float) -> Run:
        def one(rng: np.random.Generator) -> Answer | None:
            counts = worlds.counts(rng, 80 * np.array([1, np.exp(effect), 1, 1]), 1.5)
            data = CountData(
                cells={"treated": Cells(*counts[:2]), "control": Cells(*counts[2:])},
                areas={"treated": 1, "control": 1},
            )
            result = count_result(data)
            return _row(result.estimates[0], result.p, effect, log=True)

        return one

    yield both("count2x2 headline, no sub-periods", "80 a cell, dispersion 1.5", runs, make)


GROUPS: dict[str, Callable[[int], Iterator[Task]]] = {
    "did": did_few,
    "counts": count_tables,
    "count2x2": single_count,
    "sc": synthetic,
    "survey": surveys,
    "its": its_linear,
    "count-its": its_counts,
    "bsts": bayes,
    "did-many": did_many,
}
