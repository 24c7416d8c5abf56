"""Counting a line: one count for one change of side."""

import numpy as np
import pytest

from edge.sensors.footfall.geometry import Line
from edge.sensors.footfall.vision.line_counter import LineCounter
from edge.sensors.footfall.vision.motion import Axis
from edge.sensors.footfall.vision.tracker import CONFIRM_HITS, Track

LINE = Line("door", 100, 50, 100, 150)  # side A is on the left


def at(x: float, y: float, *, hits: int = CONFIRM_HITS, jitter_px: float = 1.0) -> Track:
    return Track(1, Axis(x), Axis(y), 20, 60, hits=hits, jitter_px=jitter_px)


def counts_of(way: list[tuple[float, float]], **track: float) -> tuple[int, int]:
    counter = LineCounter(LINE)
    for x, y in way:
        counter.update([at(x, y, **track)], {1})  # type: ignore[arg-type]
    return counter.take()


def test_walking_right_leaves_side_a() -> None:
    assert counts_of([(80, 100), (95, 100), (105, 100), (120, 100)]) == (1, 0)


def test_walking_left_enters_side_a() -> None:
    assert counts_of([(120, 100), (80, 100)]) == (0, 1)


def test_there_and_back_is_one_each() -> None:
    assert counts_of([(80, 100), (120, 100), (80, 100)]) == (1, 1)


def test_who_turns_round_on_the_line_is_not_counted() -> None:
    assert counts_of([(80, 100), (99, 100), (101.5, 100), (80, 100)]) == (0, 0)


def test_a_loiterer_who_trembles_on_the_line_is_counted_once() -> None:
    rng = np.random.default_rng(4)
    standing = [(100 + float(x), 100.0) for x in rng.normal(0, 2, 300)]
    assert counts_of([(80, 100), *standing, (125, 100)], jitter_px=3.0) == (1, 0)


@pytest.mark.parametrize("y", [40, 160], ids=["before its start", "behind its end"])
def test_round_the_end_of_the_segment_is_not_counted(y: float) -> None:
    assert counts_of([(80, y), (120, y)]) == (0, 0)


def test_a_slanting_way_counts_by_where_it_meets_the_line() -> None:
    assert counts_of([(80, 30), (120, 90)]) == (1, 0)  # meets x = 100 at y = 60
    assert counts_of([(80, 10), (120, 70)]) == (0, 0)  # at y = 40, above the segment


def test_an_unconfirmed_track_is_not_counted() -> None:
    assert counts_of([(80, 100), (120, 100)], hits=2) == (0, 0)


def test_first_seen_beyond_the_line_is_no_crossing() -> None:
    assert counts_of([(105, 100), (120, 100), (140, 100)]) == (0, 0)


def test_a_forgotten_track_leaves_nothing_behind() -> None:
    counter = LineCounter(LINE)
    counter.update([at(80, 100)], {1})
    counter.update([], set())
    counter.update([at(120, 100)], {1})
    assert counter.take() == (0, 0)


def test_taking_starts_from_zero_again() -> None:
    counter = LineCounter(LINE)
    for x in (80, 120):
        counter.update([at(x, 100)], {1})
    assert counter.take() == (1, 0)
    assert counter.take() == (0, 0)
