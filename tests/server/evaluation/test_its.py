"""Interrupted time series: published studies where their data are, made-up series always."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.evaluation.errors import BadRequest
from server.evaluation.its import its
from server.evaluation.its_request import ItsRequest
from server.evaluation.results import Estimate, Result
from server.evaluation.segmented import Season, segments

Array = NDArray[np.float64]


def row(result: Result, name: str, model: str = "") -> Estimate:
    return next(
        e for e in [*result.estimates, *result.sensitivity] if e.name == name and model in e.model
    )


def monthly(n: int, start: int, effect: float, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    mean = np.exp(5.5 + 0.2 * np.sin(2 * np.pi * t / 12) + 0.003 * t + effect * (t >= start))
    return np.asarray(rng.poisson(rng.gamma(mean / 2, 2)), dtype=np.float64)


def sicily(published: Path, column: str) -> Array:
    rows = csv.DictReader((published / "sicily.csv").read_text(encoding="utf-8").splitlines())
    return np.array([float(r[column]) for r in rows])


@pytest.mark.parametrize(
    ("season", "slope", "model", "expected"),
    [
        (None, False, "Poisson", (0.8944, 0.8647, 0.9251)),
        (None, False, "quasi-Poisson", (0.8944, 0.8392, 0.9532)),
        (Season(12, 2), False, "quasi-Poisson", (0.8851, 0.8394, 0.9332)),
        (Season(12, 2), False, "negative binomial", (0.8842, 0.8411, 0.9295)),
        (Season(12, 2), True, "quasi-Poisson", (0.8765, 0.8268, 0.9292)),
    ],
    ids=["poisson", "quasi", "season", "negbin", "slope"],
)
def test_sicilian_smoking_ban(
    published: Path, season: Season | None, slope: bool, model: str, expected: tuple[float, ...]
) -> None:
    result = its(
        ItsRequest(
            time=sicily(published, "time"),
            y=sicily(published, "aces"),
            exposure=sicily(published, "stdpop"),
            start=37,
            family="quasipoisson",
            season=season,
            slope=slope,
            origin_before=True,
        )
    )
    found = next(
        e for e in result.sensitivity if e.name == "level_change" and e.model == model
    )  # fmt: skip
    # R's and our negative binomial take the expected information, statsmodels the observed one
    error = 2e-4 if model == "negative binomial" else 5.1e-5
    assert (found.value, found.low, found.high) == pytest.approx(expected, abs=error)
    if season is not None and not slope:
        assert result.diagnostics["dispersion"] == pytest.approx(2.262, abs=5e-4)
        assert result.diagnostics["ljung_box_p"] == pytest.approx(0.005, abs=5e-4)


def test_lindens_californian_cigarettes(published: Path) -> None:
    # Linden 2015 (Stata J 15:480), itsa single group, Newey-West(1)
    text = (published / "prop99.csv").read_text(encoding="utf-8")
    rows = [r for r in csv.DictReader(text.splitlines()) if r["State"] == "California"]
    result = its(
        ItsRequest(
            time=np.array([float(r["Year"]) for r in rows]),
            y=np.array([float(r["PacksPerCapita"]) for r in rows]),
            start=1989,
            hac_lag=1,
        )
    )
    for name, value, se in (
        ("trend", -1.779474, 0.3834188),
        ("level_change", -20.0581, 4.724395),
        ("slope_change", -1.494652, 0.4368201),
    ):
        found = row(result, name, "Newey-West(1)")
        assert (found.value, found.se) == pytest.approx((value, se), rel=5e-7)


def test_a_made_up_ban_is_found_again() -> None:
    result = its(
        ItsRequest(
            time=np.arange(96.0), y=monthly(96, 60, -0.25, 3), start=60, family="quasipoisson",
            slope=False, season=Season(12, 2),
        )
    )  # fmt: skip
    level = result.estimates[0]
    assert level.low is not None
    assert level.high is not None
    assert level.low < np.exp(-0.25) < level.high < 1
    assert result.outcome == "change"
    assert "associated with" in result.verdict
    assert result.grade is not None
    assert result.grade.level == 2
    prevented = row(result, "prevented_after").value
    assert prevented is not None
    assert prevented > 0


def test_nothing_done_is_inconclusive_and_never_no_effect() -> None:
    result = its(
        ItsRequest(time=np.arange(60.0), y=monthly(60, 36, 0.0, 4), start=36,
                   family="quasipoisson", season=Season(12, 1), slope=False)
    )  # fmt: skip
    assert result.outcome == "inconclusive"
    assert result.verdict.startswith("Inconclusive")
    assert "no effect" not in result.verdict


def test_a_month_without_measurement_is_left_out_not_zero(
    step_series: Array,
) -> None:
    holed = step_series.copy()
    holed[[3, 4, 30]] = np.nan
    result = its(ItsRequest(time=np.arange(48.0), y=holed, start=24))
    kept = np.delete(np.arange(48), [3, 4, 30])
    without = its(ItsRequest(time=kept.astype(float), y=step_series[kept], start=24))
    assert result.n == 45
    assert result.estimates == without.estimates
    assert any("3 points without a measurement" in w for w in result.warnings)


def test_exposure_halved_with_the_count_changes_nothing() -> None:
    y = 2 * monthly(60, 36, 0.0, 8)
    exposure = np.ones(60)
    exposure[10:20] = 0.5
    halved = y.copy()
    halved[10:20] /= 2
    base = ItsRequest(time=np.arange(60.0), y=y, start=36, family="poisson", exposure=np.ones(60))
    one = its(base)
    other = its(
        ItsRequest(time=base.time, y=halved, start=36, family="poisson", exposure=exposure)
    )  # fmt: skip
    assert other.estimates[0].value == pytest.approx(one.estimates[0].value, rel=0.02)


def test_short_series_are_refused_unless_asked() -> None:
    request = ItsRequest(time=np.arange(20.0), y=np.sin(np.arange(20.0)), start=10)
    assert its(request).refusal is not None
    assert its(request).outcome == "refused"
    allowed = ItsRequest(time=request.time, y=request.y, start=10, allow_short=True)
    assert its(allowed).refusal is None
    assert "answered all the same" in its(allowed).warnings[0]


def test_installation_weeks_are_left_out(step_series: Array) -> None:
    spoilt = step_series.copy()
    spoilt[24:28] = 99.0
    result = its(ItsRequest(time=np.arange(48.0), y=spoilt, start=24, transition_to=28))
    assert result.n == 44
    assert abs(result.estimates[0].value or 99) < 3


def test_counterfactual_is_the_old_line_going_on() -> None:
    t = np.arange(40.0)
    y = 2 + 0.5 * t + 3 * (t >= 20) + 0.01 * np.sin(7 * t)
    result = its(ItsRequest(time=t, y=y, start=20, counterfactual_at=30.0))
    assert row(result, "counterfactual_at_30").value == pytest.approx(17.0, abs=0.02)
    assert row(result, "effect_at_30").value == pytest.approx(3.0, abs=0.02)


def test_a_control_series_takes_common_shocks_out() -> None:
    rng = np.random.default_rng(2)
    shock = rng.normal(0, 5, 60)
    step = 2.0 * (np.arange(60) >= 30)
    request = ItsRequest(
        time=np.arange(60.0), y=10 + shock + step + rng.normal(0, 0.2, 60),
        control=8 + shock + rng.normal(0, 0.2, 60), start=30, slope=False,
    )  # fmt: skip
    level = its(request).estimates[0]
    assert level.value == pytest.approx(2.0, abs=0.3)
    assert (level.high or 0) - (level.low or 0) < 1.0


def test_a_controlled_count_series_gives_the_ratio_of_ratios() -> None:
    treated, control = monthly(72, 40, 0.3, 21), monthly(72, 40, 0.0, 22)
    result = its(
        ItsRequest(time=np.arange(72.0), y=treated, control=control, start=40, slope=False,
                   family="quasipoisson")
    )  # fmt: skip
    level = result.estimates[0]
    assert (level.low or 0) < np.exp(0.3) < (level.high or 0)
    assert result.grade is not None
    assert result.grade.level == 3


def test_an_intervention_outside_the_series_is_named() -> None:
    with pytest.raises(BadRequest, match="leaves no points after it; times run from 0 to 29"):
        its(ItsRequest(time=np.arange(30.0), y=np.ones(30), start=99))


def test_times_that_stand_twice_are_refused() -> None:
    with pytest.raises(BadRequest, match="must increase"):
        segments(np.array([0.0, 1, 1, 2]), start=1, slope=False)


def test_a_season_of_dummies_and_all_harmonics_is_the_same_model() -> None:
    y = np.log(monthly(72, 40, 0.2, 5))
    dummies = its(ItsRequest(time=np.arange(72.0), y=y, start=40, season=Season(12, 0)))
    waves = its(ItsRequest(time=np.arange(72.0), y=y, start=40, season=Season(12, 6)))
    assert dummies.estimates[0].value == pytest.approx(waves.estimates[0].value, rel=1e-6)
