"""Synthetic control: California where the data are, made-up donors always."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.evaluation.errors import BadRequest
from server.evaluation.panel import Panel, panel_from_table
from server.evaluation.synthetic_control import (
    ScRequest,
    fit_synthetic,
    simplex_weights,
    synthetic_control,
)
from server.evaluation.table import read_table

Array = NDArray[np.float64]


def donors(n: int, times: int, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(50 + rng.normal(0, 3, (n, times)).cumsum(axis=1))


def panel(target: Array, others: Array) -> Panel:
    y = np.vstack([target, others])
    return Panel(
        sites=[f"s{i}" for i in range(len(y))], times=np.arange(y.shape[1], dtype=np.float64), y=y,
        treated=np.array([1.0] + [0.0] * len(others)),
    )  # fmt: skip


def test_california(published: Path) -> None:
    found = panel_from_table(
        read_table(published / "prop99.csv"), unit="State", time="Year", outcome="PacksPerCapita",
        treated="treated",
    )  # fmt: skip
    result = synthetic_control(ScRequest(panel=found, start=1989))
    weights = result.diagnostics["weights"]
    assert isinstance(weights, dict)
    assert {name: round(float(w), 3) for name, w in list(weights.items())[:6]} == {  # type: ignore[arg-type]
        "Utah": 0.394, "Montana": 0.232, "Nevada": 0.205, "Connecticut": 0.109,
        "New Hampshire": 0.045, "Colorado": 0.015,
    }  # fmt: skip
    assert result.estimates[0].value == pytest.approx(-19.51, abs=5e-3)
    assert result.estimates[-1].value == pytest.approx(-26.60, abs=5e-3)
    assert (result.diagnostics["rank"], result.diagnostics["of"]) == (3, 39)
    assert result.p == pytest.approx(3 / 39)


def test_a_mixture_of_donors_is_found_again() -> None:
    others = donors(12, 40)
    truth = np.array([0.5, 0.3, 0.2] + [0.0] * 9)
    weights = simplex_weights(truth @ others, others)
    assert weights == pytest.approx(truth, abs=1e-6)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_target_outside_the_donors_gets_the_nearest_donor() -> None:
    others = np.vstack([np.full(20, 1.0), np.full(20, 2.0), np.full(20, 3.0)])
    assert simplex_weights(np.full(20, 9.0), others) == pytest.approx([0, 0, 1], abs=1e-4)


def test_a_gap_put_in_is_found_and_stands_out() -> None:
    others = donors(30, 60)
    target = 0.6 * others[0] + 0.4 * others[1]
    target[40:] -= 12.0
    result = synthetic_control(ScRequest(panel=panel(target, others), start=40))
    assert result.estimates[0].value == pytest.approx(-12.0, abs=0.1)
    assert result.p == pytest.approx(1 / 31)
    assert result.outcome == "change"


def test_too_few_donors_can_never_settle_it() -> None:
    others = donors(8, 60)
    target = 0.6 * others[0] + 0.4 * others[1]
    target[40:] -= 50.0
    result = synthetic_control(ScRequest(panel=panel(target, others), start=40))
    assert result.outcome == "inconclusive"
    assert "no data could settle it" in result.verdict
    assert result.estimates[0].low is None


def test_demeaning_rebuilds_a_course_at_another_level() -> None:
    others = donors(10, 40)
    target = 500 + 0.5 * others[0] + 0.5 * others[3]
    before = np.arange(40) < 30
    assert fit_synthetic(target, others, before, demean=False).rmspe_before > 100
    assert fit_synthetic(target, others, before, demean=True).rmspe_before < 1e-3


def test_a_hole_in_the_treated_course_is_refused_not_filled() -> None:
    target = donors(1, 40, 9)[0]
    target[7] = np.nan
    result = synthetic_control(ScRequest(panel=panel(target, donors(10, 40)), start=30))
    assert result.refusal is not None
    assert "s0 was not measured at 7" in result.refusal


def test_a_donor_with_a_hole_is_left_out_and_named() -> None:
    others = donors(10, 40)
    others[4, 35] = np.nan
    result = synthetic_control(ScRequest(panel=panel(others[0] + 1, others), start=30))
    assert result.n == 10
    assert any("s5" in warning for warning in result.warnings)


def test_a_course_that_can_not_be_rebuilt_says_nothing() -> None:
    others = donors(30, 60)
    target = 1000 + 40 * np.sin(np.arange(60.0))
    target[40:] += 5000
    result = synthetic_control(ScRequest(panel=panel(target, others), start=40))
    assert result.outcome == "inconclusive"
    assert any("poor fit" in warning for warning in result.warnings)


def test_two_treated_sites_are_refused() -> None:
    found = panel(donors(1, 40, 9)[0], donors(5, 40))
    found.treated[1] = 1.0
    with pytest.raises(BadRequest, match="2 treated units"):
        synthetic_control(ScRequest(panel=found, start=30))
