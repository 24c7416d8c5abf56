"""The rendered street: deterministic, with a truth that fits what it shows."""

import numpy as np
import pytest

from edge.simulate.scene import StreetScene, crossing_way
from edge.simulate.scene_people import NEAR_SHARE, Person

MIDDLE = (160.0, 0.0, 160.0, 240.0)


def test_the_same_seed_is_the_same_street_in_any_order() -> None:
    one, two = StreetScene(seed=3), StreetScene(seed=3)
    later = two.render(700)
    assert np.array_equal(two.render(12), one.render(12))
    assert np.array_equal(later, one.render(700))


def test_another_seed_is_another_street() -> None:
    assert not np.array_equal(StreetScene(seed=3).render(5), StreetScene(seed=4).render(5))


def test_every_frame_has_its_own_noise() -> None:
    scene = StreetScene(seed=1, people_per_min=0)
    assert not np.array_equal(scene.render(10), scene.render(11))


def test_people_walk_both_ways_alone_and_in_company() -> None:
    scene = StreetScene(seed=5, people_per_min=10)
    ways = [crossing.direction for crossing in scene.crossings(MIDDLE, 3000)]
    assert ways.count("a_to_b") > 20
    assert ways.count("b_to_a") > 20
    starts = sorted(person.enter_s for minute in range(10) for person in scene._people_of(minute))
    assert min(np.diff(starts)) < 1  # a group enters together


def test_light_dims_the_picture_and_raises_its_noise() -> None:
    day, night = (StreetScene(seed=2, light=light, people_per_min=0) for light in (1.0, 0.05))
    assert night.render(0).mean() < 0.3 * day.render(0).mean()
    noise = [
        np.diff([s.render(n).astype(float) for n in (0, 1)], axis=0).std() for s in (day, night)
    ]
    assert noise[1] > 2 * noise[0]


def test_without_light_there_is_nothing_to_see() -> None:
    assert StreetScene(seed=2, light=0).render(50).mean() < 5


def test_a_person_is_drawn_where_the_truth_says() -> None:
    scene = StreetScene(seed=9, groups=0, occluder=False, people_per_min=3, loiterers=0)
    empty = StreetScene(seed=9, people_per_min=0, occluder=False)
    found = 0
    for frame in range(100, 1000, 25):
        inside = [scene.foot_px(person, frame) for person in scene.people_at(frame)]
        inside = [(x, y) for x, y in inside if 20 < x < 300]
        if len(inside) == 1:
            x, y = inside[0]
            change = np.abs(scene.render(frame).astype(int) - empty.render(frame))
            trunk = change[int(y - 0.3 * (y - 19)) : int(y), max(0, int(x) - 8) : int(x) + 8]
            assert trunk.max() > 30
            found += 1
    assert found > 3


@pytest.mark.parametrize(
    ("before", "now", "way"),
    [
        ((150, 100), (170, 100), "a_to_b"),
        ((170, 100), (150, 100), "b_to_a"),
        ((150, 100), (155, 100), None),
        ((150, 300), (170, 300), None),
    ],
    ids=["right", "left", "short of it", "past its end"],
)
def test_a_step_over_the_line_has_a_way(
    before: tuple[float, float], now: tuple[float, float], way: str | None
) -> None:
    assert crossing_way(MIDDLE, before, now) == way


def test_a_stop_delays_and_does_not_move() -> None:
    person = Person(
        enter_s=10,
        from_m=-5,
        to_m=5,
        depth_share=NEAR_SHARE,
        drift_share=0,
        speed_mps=1,
        tall_m=1.7,
        coat_grey=40,
        legs_grey=40,
        stop_after_s=3,
        stop_for_s=20,
    )
    assert person.foot(13)[0] == person.foot(33)[0] == -2
    assert person.foot(34)[0] == -1
    assert person.leave_s == 40
