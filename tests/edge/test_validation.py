"""The factor of a tally, its interval, and the windows that it may be compared with."""

import pytest
from scipy import stats

from contract.lux_bands import lux_band
from edge.recent_windows import CountedLine, CountedWindow
from edge.validation import CannotValidate, counted_between, factor


@pytest.mark.parametrize(("manual", "counted"), [(59, 52), (10, 12), (3, 1), (0, 4), (200, 150)])
def test_interval_is_that_of_the_binomial_test(manual: int, counted: int) -> None:
    found = factor(manual, counted)
    exact = stats.binomtest(manual, manual + counted).proportion_ci(0.95, method="exact")
    assert found.value == pytest.approx(manual / counted)
    assert found.low == pytest.approx(exact.low / (1 - exact.low))
    assert found.high == pytest.approx(exact.high / (1 - exact.high))
    assert found.n == manual


def test_a_counter_that_saw_nobody_has_no_factor_but_a_lower_end() -> None:
    found = factor(8, 0)
    assert (found.value, found.high) == (None, None)
    assert found.low > 1


def test_a_square_without_people_says_nothing() -> None:
    with pytest.raises(CannotValidate, match="nobody crossed"):
        factor(0, 0)


@pytest.mark.parametrize(
    ("lux", "band"),
    [(None, None), (0.0, "0-0.3 lx"), (2.9, "1-3 lx"), (3.0, "3-10 lx"), (5000, "over 1000 lx")],
)
def test_lux_bands(lux: float | None, band: str | None) -> None:
    assert lux_band(lux) == band


def window(number: int, valid_s: float = 900, line: str = "gate") -> CountedWindow:
    return CountedWindow(
        t_ms=number * 900_000,
        dur_s=900,
        valid_s=valid_s,
        flags=["SIMULATED"] if valid_s == 900 else ["DARK"],
        lines=[CountedLine(line, 10 * number, 1)],
        lux_p50=float(number),
    )


def test_whole_windows_are_summed_with_their_light() -> None:
    counted = counted_between([window(1), window(2), window(3)], "gate", 900_000, 2_700_000)
    assert (counted.a_to_b, counted.b_to_a) == (30, 2)
    assert counted.simulated
    assert counted.lux_p50 == 2


@pytest.mark.parametrize(
    ("windows", "from_ms", "to_ms", "why"),
    [
        ([], 900_000, 1_800_000, "the counter has no window for these 900 s"),
        ([window(1)], 900_000, 2_700_000, "has 1 windows with 900 s for these 1800 s"),
        ([window(1), window(3)], 900_000, 3_600_000, "2 windows with 1800 s for these 2700 s"),
        ([window(1)], 1_000_000, 1_800_000, "whole windows"),
        ([window(1, 700)], 900_000, 1_800_000, r"saw only 700 of 900 s \(DARK\)"),
        ([window(1, line="path")], 900_000, 1_800_000, "no line is called 'gate'.*counts path"),
    ],
    ids=["none", "too short", "gap", "not on the grid", "blind", "other line"],
)
def test_what_does_not_match_is_refused(
    windows: list[CountedWindow], from_ms: int, to_ms: int, why: str
) -> None:
    with pytest.raises(CannotValidate, match=why):
        counted_between(windows, "gate", from_ms, to_ms)
