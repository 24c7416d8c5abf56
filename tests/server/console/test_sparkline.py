"""Sparklines: gaps are gaps, a lonely value is a dot, unrest of a sensor is no event."""

from server.console.sparkline import HEIGHT, WIDTH, Points, Spark, draw

SINCE_S = 1_772_384_400


def spark(values: dict[int, float | None], least_span: float = 1) -> Spark | None:
    """Values by minute of the hour."""
    points = Points([SINCE_S + 60 * minute for minute in values], list(values.values()))
    return draw(points, since_s=SINCE_S, until_s=SINCE_S + 3600, window_s=60, least_span=least_span)


def test_nothing_measured_draws_nothing() -> None:
    assert spark({}) is None
    assert spark({1: None, 2: None}) is None


def test_a_null_and_a_missing_window_both_break_the_line() -> None:
    drawn = spark({0: 1, 1: 2, 2: None, 3: 3, 4: 3, 10: 4, 11: 5})
    assert drawn is not None
    assert (len(drawn.lines), drawn.gaps_n, drawn.dots) == (3, 2, ())


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
