"""Following people: occlusion, meeting, unsure detections."""

import numpy as np
import pytest

from edge.sensors.footfall.vision.detector import Detections
from edge.sensors.footfall.vision.motion import Axis
from edge.sensors.footfall.vision.tracker import CONFIRM_HITS, LONGEST_HIDDEN_S, Tracker

FPS = 5.0


def person(x: float, foot: float = 200, tall: float = 60) -> tuple[float, float, float, float]:
    return x - 12, foot - tall, x + 12, foot


def follow(frames: list[list[tuple[float, float, float, float]]]) -> list[dict[int, float]]:
    """x of each confirmed track seen, frame by frame."""
    tracker, seen = Tracker(), []
    for boxes in frames:
        tracker.predict(1 / FPS)
        tracks = tracker.update(Detections.sure(boxes))
        seen.append({track.id: track.foot[0] for track in tracks if track.confirmed})
    return seen


def test_a_walker_keeps_one_identity() -> None:
    seen = follow([[person(20 + 8 * n)] for n in range(30)])
    assert {track for frame in seen for track in frame} == {1}
    assert seen[-1][1] == pytest.approx(20 + 8 * 29, abs=2)


def test_a_walker_hidden_for_a_second_is_the_same_again() -> None:
    hidden = range(10, 10 + int(FPS))
    seen = follow([[] if n in hidden else [person(20 + 8 * n)] for n in range(30)])
    assert {track for frame in seen for track in frame} == {1}


def test_a_walker_hidden_for_too_long_is_another() -> None:
    gap = range(10, 10 + int(LONGEST_HIDDEN_S * FPS) + 2)
    seen = follow([[] if n in gap else [person(20 + 8 * n)] for n in range(40)])
    back = gap.stop
    assert seen[back] == seen[back + 1] == {}  # unconfirmed, as anybody new
    assert len(seen[back + CONFIRM_HITS]) == 1


def test_two_who_meet_and_hide_each_other_keep_their_ways() -> None:
    frames = []
    for n in range(31):
        right, left = person(20 + 8 * n), person(260 - 8 * n, foot=206)
        together = abs(right[0] - left[0]) < 20
        frames.append([left] if together else [right, left])
    seen = follow(frames)
    first, last = seen[5], seen[-1]
    to_the_right = min(first, key=lambda track: first[track])
    assert last[to_the_right] > 200
    assert len(last) == 2


def test_an_unsure_detection_keeps_a_track_but_starts_none() -> None:
    def unsure(x: float) -> Detections:
        return Detections(np.array([person(x)], np.float32), np.array([0.3], np.float32))

    tracker = Tracker()
    for n in range(6):
        tracker.predict(1 / FPS)
        assert tracker.update(unsure(20 + 8 * n)) == []
    for n in range(6):
        tracker.predict(1 / FPS)
        tracker.update(Detections.sure([person(20 + 8 * n)]))
    tracker.predict(1 / FPS)
    assert [track.id for track in tracker.update(unsure(20 + 8 * 6))] == [1]


def test_prediction_is_where_a_confirmed_walker_will_be() -> None:
    tracker = Tracker()
    for n in range(20):
        tracker.predict(1 / FPS)
        tracker.update(Detections.sure([person(20 + 8 * n)]))
    (box,) = tracker.predict(1 / FPS)
    assert (box[0] + box[2]) / 2 == pytest.approx(20 + 8 * 20, abs=2)


def test_ids_begin_anew_once_the_street_is_empty() -> None:
    there = [[person(20 + 8 * n)] for n in range(6)]
    gone: list[list[tuple[float, float, float, float]]] = [[] for _ in range(12)]
    seen = follow(there + gone + there)
    assert list(seen[-1]) == [1]


def test_forgetting_empties_the_street() -> None:
    tracker = Tracker()
    tracker.update(Detections.sure([person(50)]))
    tracker.forget()
    assert tracker.ids == set()


def test_the_filter_finds_a_constant_velocity() -> None:
    axis = Axis(0.0, p_xx=4.0, p_vv=900.0)
    rng = np.random.default_rng(2)
    for n in range(1, 200):
        axis.predict(0.2, acceleration_sd=1.0)
        axis.correct(6.0 * n * 0.2 + float(rng.normal(0, 2)), sd=2.0)
    assert axis.velocity == pytest.approx(6.0, abs=0.7)
    assert axis.position == pytest.approx(6.0 * 199 * 0.2, abs=2)
    assert axis.p_xx > 0
    assert axis.p_vv > 0
