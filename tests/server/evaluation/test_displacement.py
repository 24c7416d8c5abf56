"""Displacement: the tests of R's ptools and of streetlamp, and when WDQ must not be read."""

import math

import pytest

from server.evaluation.count_table import Cells
from server.evaluation.displacement import (
    success_measure,
    total_net_effects,
    wdd,
    wdq_value,
    weighted_displacement_quotient,
)

PAPER = (Cells(207, 110), Cells(308, 318), Cells(178, 157), Cells(150, 140))


def test_wdd_of_wheeler_and_ratcliffe_2018() -> None:
    total = wdd(*PAPER)[0]
    assert total.value == -118
    assert total.se == pytest.approx(math.sqrt(1568))
    assert round((total.value or 0) / (total.se or 1), 2) == -2.98
    assert (round(total.low or 0), round(total.high or 0)) == (-196, -40)


def test_wdd_with_unequal_periods() -> None:
    (local,) = wdd(Cells(80, 20, 2, 1), Cells(100, 50, 2, 1))
    assert local.value == -20
    assert local.se == pytest.approx(math.sqrt(115))


def test_wdd_with_unequal_areas() -> None:
    sized = [
        Cells(*cells.counts(), size, size)
        for cells, size in zip(PAPER, (1.2, 0.9, 1.5, 1.6), strict=True)
    ]
    total = wdd(*sized)[0]
    found = (total.value, total.se, total.low, total.high)
    assert found == pytest.approx((-99.69444444, 35.4280755, -169.1321965, -30.25669241), rel=1e-8)


def test_wdd_of_the_areas_apart() -> None:
    total, local, displaced = wdd(Cells(20, 10), Cells(20, 20), Cells(20, 10), Cells(20, 20))
    assert (local.value, displaced.value, total.value) == (-10, -10, -20)


def test_wdq_of_complete_displacement_is_minus_one() -> None:
    assert wdq_value(Cells(100, 50), Cells(100, 150), Cells(100, 100)) == -1.0


def test_wdq_of_stoke_on_trent() -> None:
    # prevalence: 69.2 % and 63.0 % above control before, 11.7 % and 14.4 % after
    control = Cells(34.1, 38.3)
    treated = Cells(34.1 * 1.692, 38.3 * 1.117)
    adjacent = Cells(34.1 * 1.630, 38.3 * 1.144)
    assert wdq_value(treated, adjacent, control) == pytest.approx(0.8452, abs=1e-3)


def test_wdq_is_read_when_the_direct_effect_is_clear() -> None:
    found = weighted_displacement_quotient(
        Cells(400, 200), Cells(300, 180), Cells(400, 400), phi=1, level=0.95, seed=1
    )
    assert found.reading == "benefits spread to the buffer"
    assert found.low is not None
    assert found.high is not None
    assert found.wdq is not None
    assert found.low < found.wdq < found.high


def test_a_wdq_on_both_sides_of_nothing_is_not_settled() -> None:
    found = weighted_displacement_quotient(
        Cells(400, 200), Cells(300, 295), Cells(400, 400), phi=1, level=0.95, seed=1
    )
    assert found.reading == "not settled: from displacement to spread of benefits"


def test_wdq_is_not_read_without_a_clear_direct_effect() -> None:
    found = weighted_displacement_quotient(
        Cells(30, 27), Cells(30, 40), Cells(30, 30), phi=1, level=0.95, seed=1
    )
    assert found.reading is None
    assert found.why_not is not None
    assert "not clearly below 0" in found.why_not


def test_dispersion_makes_the_success_measure_less_sure() -> None:
    plain = success_measure(Cells(100, 50), Cells(100, 100), phi=1, level=0.95)
    wide = success_measure(Cells(100, 50), Cells(100, 100), phi=4, level=0.95)
    assert wide.se == pytest.approx(2 * (plain.se or 0))


def test_total_net_effects_counts_both_areas() -> None:
    # control rises by a tenth: expected 110 and 55, seen 80 and 60
    row = total_net_effects(Cells(100, 80), Cells(50, 60), Cells(100, 110), phi=1, level=0.95)
    assert row.value == pytest.approx(25.0)
    assert row.se == pytest.approx(
        math.sqrt(100 * 1.21 + 80 + 50 * 1.21 + 60 + 165**2 * (1 / 110 + 1 / 100))
    )
