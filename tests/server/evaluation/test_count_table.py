"""2x2 tables of counts: published figures, exact limits, dispersion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats.contingency import odds_ratio

from server.evaluation.count_table import (
    Cells,
    dispersion,
    exact_rirr,
    log_rirr,
    rate_ratio,
    ratio_estimate,
    smallest_detectable_drop,
)

COUNT = st.integers(1, 2000).map(float)


def test_rirr_of_wheelers_example() -> None:
    # Wheeler 2021 on Wilson: 50 -> 30 treated, 60 -> 55 control
    log_value, se = log_rirr(Cells(50, 30), Cells(60, 55))
    assert round(log_value, 7) == -0.4238142
    row = ratio_estimate("rirr", log_value, se, level=0.95)
    assert row.value == pytest.approx(0.6545455, abs=5e-8)
    assert (round(row.low or 0, 3), round(row.high or 0, 3)) == (0.366, 1.171)


def test_res_of_stoke_on_trent() -> None:
    # Painter & Farrington 1999: incidence -43 % treated, -2 % control; Welsh & Farrington's 1.72
    assert round(float(np.exp(-log_rirr(Cells(100, 57), Cells(100, 98))[0])), 2) == 1.72


@given(COUNT, COUNT, COUNT, COUNT)
def test_swapping_arms_turns_the_ratio_over(a: float, b: float, c: float, d: float) -> None:
    one, se = log_rirr(Cells(a, b), Cells(c, d))
    other, se_other = log_rirr(Cells(c, d), Cells(a, b))
    assert one == pytest.approx(-other, abs=1e-9)
    assert se == pytest.approx(se_other)


@given(COUNT, COUNT, COUNT, COUNT, st.floats(0.1, 10))
def test_periods_as_long_in_both_areas_cancel(
    a: float, b: float, c: float, d: float, length: float
) -> None:
    plain = log_rirr(Cells(a, b), Cells(c, d))[0]
    stretched = log_rirr(Cells(a, b, 1.0, length), Cells(c, d, 1.0, length))[0]
    assert stretched == pytest.approx(plain, abs=1e-9)


def test_exact_limits_agree_with_scipy() -> None:
    row = exact_rirr(Cells(50, 30), Cells(60, 55), level=0.95)
    other = odds_ratio([[30, 55], [50, 60]], kind="conditional")
    assert row.value == pytest.approx(other.statistic, rel=1e-5)
    interval = other.confidence_interval(0.95)
    assert row.low == pytest.approx(interval.low, rel=1e-5)
    assert row.high == pytest.approx(interval.high, rel=1e-5)


def test_exact_test_knows_about_unequal_periods() -> None:
    # twice as long after in the treated area alone: 10 -> 20 is no change at all
    row = exact_rirr(Cells(10, 20, 1, 2), Cells(15, 15), level=0.95)
    assert row.value == pytest.approx(1.0, abs=0.02)
    assert row.p == pytest.approx(1.0)


def test_no_counts_after_leave_the_lower_limit_at_zero() -> None:
    row = exact_rirr(Cells(12, 0), Cells(10, 11), level=0.95)
    assert row.low == 0.0
    assert row.high is not None
    assert row.high < 0.6


def test_an_empty_cell_adds_half_to_all_four() -> None:
    expected = np.log(0.5 * 10.5 / (5.5 * 12.5))
    assert log_rirr(Cells(5, 0), Cells(10, 12))[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n", "phi", "drop"),
    [(20, 1, 71), (20, 2, 83), (50, 1, 55), (100, 1, 43), (400, 1, 24), (1000, 2, 22)],
)
def test_smallest_detectable_drop(n: float, phi: float, drop: float) -> None:
    found = smallest_detectable_drop(Cells(n, n), Cells(n, n), phi=phi)
    assert found == pytest.approx(drop, abs=0.5)


def test_dispersion_finds_the_variance_that_was_put_in() -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(rng.gamma(40 / 3, 3, 4000)).astype(float)
    cell = [f"{i % 4}" for i in range(4000)]
    phi, df = dispersion(counts, np.ones(4000), cell, None)
    assert phi == pytest.approx(4.0, rel=0.07)
    assert df == 3996


def test_a_season_shared_by_both_arms_is_no_dispersion() -> None:
    rng = np.random.default_rng(6)
    season = 60 * np.exp(0.6 * np.sin(np.arange(24) * np.pi / 6))
    counts = np.concatenate([rng.poisson(season), rng.poisson(2 * season)]).astype(float)
    cell = ["treated before"] * 12 + ["treated after"] * 12
    cell += ["control before"] * 12 + ["control after"] * 12
    months = [f"m{i}" for i in range(24)] * 2
    within = dispersion(counts, np.ones(48), cell, None)[0]
    shared = dispersion(counts, np.ones(48), cell, months)[0]
    assert within > 8
    assert 0.5 < shared < 1.7


def test_one_area_ratio_has_clopper_pearson_limits() -> None:
    rows = {row.model: row for row in rate_ratio(Cells(40, 20), level=0.95)}
    exact = rows["exact binomial"]
    assert exact.value == pytest.approx(0.5)
    # Clopper-Pearson for 20 of 60: 0.21686, 0.46692 (as odds)
    assert exact.low == pytest.approx(0.21686 / 0.78314, rel=1e-3)
    assert exact.high == pytest.approx(0.46692 / 0.53308, rel=1e-3)
