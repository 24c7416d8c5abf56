"""Difference in differences: Card & Krueger where the data are, made-up sites always."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.evaluation.published import card_krueger
from server.evaluation.did import DidRequest, did, event_study
from server.evaluation.errors import BadRequest
from server.evaluation.panel import Panel, against

Array = NDArray[np.float64]


def panel(y: Array, treated: int, exposure: Array | None = None) -> Panel:
    return Panel(
        sites=[f"s{i}" for i in range(len(y))],
        times=np.arange(y.shape[1], dtype=np.float64),
        y=y,
        treated=np.array([1.0] * treated + [0.0] * (len(y) - treated)),
        exposure=exposure,
    )


def made_up(treated: int, control: int, effect: float, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 1, (treated + control, 20)) + rng.normal(10, 3, (treated + control, 1))
    y[:treated, 10:] += effect
    return np.asarray(y)


def test_card_and_krueger_1994(published: Path) -> None:
    result = did(DidRequest(panel=card_krueger(published), start=2))
    pooled, *means = result.sensitivity
    assert pooled.value == pytest.approx(2.7536, abs=5e-5)
    named = {row.name: round(row.value or 0, 3) for row in means}
    assert named == {
        "mean_control_before": 23.331,
        "mean_control_after": 21.166,
        "mean_treated_before": 20.439,
        "mean_treated_after": 21.027,
    }
    balanced = next(row for row in result.estimates if "HC1" in row.model)
    assert result.n == 384
    assert (balanced.value, balanced.se) == pytest.approx((2.750, 1.338), abs=5e-4)


def test_the_effect_put_in_lies_in_the_interval() -> None:
    result = did(DidRequest(panel=panel(made_up(5, 8, 2.0), 5), start=10))
    headline = result.estimates[0]
    assert (headline.low or 0) < 2.0 < (headline.high or 0)
    assert result.outcome == "change"
    assert result.p_kind == "randomisation, every assignment"


def test_one_of_six_can_never_settle_it() -> None:
    result = did(DidRequest(panel=panel(made_up(1, 5, 50.0), 1), start=10))
    assert result.smallest_p == pytest.approx(1 / 6)
    assert result.outcome == "inconclusive"
    assert "no data could settle it" in result.verdict
    assert result.estimates[0].low is None
    assert all(row.p is None for row in result.sensitivity), "one site can't have a model's p"


def test_an_unobserved_week_is_no_zero() -> None:
    y = made_up(3, 6, 0.0)
    holed = y.copy()
    holed[0, 12:18] = np.nan
    full = did(DidRequest(panel=panel(y, 3), start=10)).estimates[0].value or 0
    found = did(DidRequest(panel=panel(holed, 3), start=10)).estimates[0].value or 0
    assert abs(found - full) < 0.5


def test_a_site_without_a_before_is_left_out_and_named() -> None:
    y = made_up(3, 6, 0.0)
    y[8, :10] = np.nan
    result = did(DidRequest(panel=panel(y, 3), start=10))
    assert result.n == 8
    assert any("s8" in warning for warning in result.warnings)


def test_rates_come_from_exposure() -> None:
    rng = np.random.default_rng(4)
    hours = rng.uniform(1, 10, (9, 20))
    counts = 30 * hours
    counts[:3, 10:] *= 1.5
    result = did(DidRequest(panel=panel(counts, 3, hours), start=10, scale="log"))
    assert result.estimates[0].value == pytest.approx(1.5)
    assert result.estimates[0].unit == "ratio"


def test_a_zero_has_no_logarithm_and_says_so() -> None:
    y = np.ones((6, 20))
    y[2, :10] = 0.0
    with pytest.raises(BadRequest, match="s2 has a mean of 0"):
        did(DidRequest(panel=panel(y, 3), start=10, scale="log"))


def test_arms_that_drifted_apart_before_lose_their_grade() -> None:
    y = made_up(5, 8, 0.0)
    y[:5] += 0.5 * np.arange(20)
    result = did(DidRequest(panel=panel(y, 5), start=10))
    assert result.grade is not None
    assert result.grade.level == 2
    assert result.diagnostics["pretrend_p"] == pytest.approx(2 / 1287, abs=2e-3)


def test_grades_follow_the_design() -> None:
    many = did(DidRequest(panel=panel(made_up(5, 8, 0.0, 2), 5), start=10)).grade
    drawn = did(
        DidRequest(panel=panel(made_up(5, 8, 0.0, 2), 5), start=10, randomised_seed=42)
    ).grade  # fmt: skip
    pair = did(DidRequest(panel=panel(made_up(1, 1, 0.0), 1), start=10)).grade
    assert (many and many.level, drawn and drawn.level, pair and pair.level) == (4, 5, 3)


@pytest.mark.parametrize(("log", "effect"), [(True, 1.3), (False, 6.0)])
def test_the_day_takes_off_what_is_not_light(log: bool, effect: float) -> None:
    day = made_up(5, 8, 0.0) + 20
    crowd = np.linspace(1, 2, 20)[None, :] * np.array([1.5] * 5 + [1.0] * 8)[:, None]
    night = day * crowd * 0.2 if log else day + crowd
    night[:5, 10:] = night[:5, 10:] * effect if log else night[:5, 10:] + effect
    base = day * crowd if log else day + crowd
    both = against(panel(night, 5), panel(base, 5), log=log)
    result = did(DidRequest(panel=both, start=10, scale="log" if log else "level"))
    assert result.estimates[0].value == pytest.approx(effect)


def test_a_night_without_its_day_is_not_measured() -> None:
    day = made_up(3, 6, 0.0)
    day[0, 3] = np.nan
    both = against(panel(made_up(3, 6, 0.0), 3), panel(day, 3), log=True)
    assert np.isnan(both.y[0, 3])
    assert np.isfinite(both.y).sum() == 9 * 20 - 1


def test_event_study_shows_the_step_at_its_time() -> None:
    rows = event_study(DidRequest(panel=panel(made_up(8, 8, 6.0), 8), start=10))
    named = {row.name: row for row in rows}
    assert "event_+0" not in named
    assert (named["event_+1"].low or 0) > 0
    assert (named["event_-5"].low or 0) < 0 < (named["event_-5"].high or 0)


def test_same_seed_same_answer() -> None:
    request = DidRequest(panel=panel(made_up(10, 12, 1.0), 10), start=10, seed=3)
    assert did(request) == did(request)
