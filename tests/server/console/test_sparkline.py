"""Sparklines: gaps are gaps, a lonely value is a dot, unrest of a sensor is no event."""

import pytest

from server.console.sparkline import HEIGHT, WIDTH, Points, Spark, draw

SINCE_S = 1_772_384_400


def spark(values: dict[int, float | None], least_span: float = 1) -> Spark | None:
    """Values by minute of the hour."""
    times_s = [SINCE_S + 60 * minute for minute in values]
    points = Points(times_s, [60.0] * len(times_s), list(values.values()))
    return draw(points, since_s=SINCE_S, until_s=SINCE_S + 3600, grace_s=60, least_span=least_span)


def test_nothing_measured_draws_nothing() -> None:
    assert spark({}) is None
    assert spark({1: None, 2: None}) is None


def test_a_null_and_a_missing_window_both_break_the_line() -> None:
    drawn = spark({0: 1, 1: 2, 2: None, 3: 3, 4: 3, 10: 4, 11: 5})
    assert drawn is not None
    # The third gap lasts from minute 12 to the end.
    assert (len(drawn.lines), drawn.gaps_n, drawn.dots) == (3, 3, ())


@pytest.mark.parametrize(
    ("first", "last", "gaps_n"),
    [(0, 59, 0), (1, 57, 0), (0, 56, 1), (2, 59, 1), (30, 40, 2)],
)
def test_silence_at_either_end_is_a_gap(first: int, last: int, gaps_n: int) -> None:
    drawn = spark(dict.fromkeys(range(first, last + 1), 1.0))
    assert drawn is not None
    assert drawn.gaps_n == gaps_n


def test_a_minute_is_a_gap_between_windows_of_ten_seconds() -> None:
    times_s = [SINCE_S + s for s in range(0, 3600, 10) if not 600 <= s < 660]
    points = Points(times_s, [10.0] * len(times_s), [1.0] * len(times_s))
    drawn = draw(points, since_s=SINCE_S, until_s=SINCE_S + 3600, grace_s=60, least_span=1)
    assert drawn is not None
    assert (len(drawn.lines), drawn.gaps_n) == (2, 1)


def test_a_value_between_gaps_is_a_dot() -> None:
    drawn = spark({0: 1, 1: 2, 30: 9})
    assert drawn is not None
    assert (len(drawn.lines), len(drawn.dots)) == (1, 1)


def test_everything_lies_within_the_box() -> None:
    drawn = spark({minute: (-1) ** minute * 1e6 for minute in range(61)})
    assert drawn is not None
    for pair in drawn.lines[0].split():
        x, y = map(float, pair.split(","))
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


def test_a_quiet_sensor_draws_a_quiet_line() -> None:
    drawn = spark({0: 50.0, 1: 50.1}, least_span=10)
    assert drawn is not None
    heights = [float(pair.split(",")[1]) for pair in drawn.lines[0].split()]
    assert abs(heights[0] - heights[1]) < 1
    assert (drawn.low, drawn.high) == (50.0, 50.1)


def test_what_lies_outside_the_span_is_not_drawn() -> None:
    assert spark({-5: 1.0}) is None
