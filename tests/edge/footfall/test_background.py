"""Background subtraction: light from cars is no person, and hides none."""

from collections.abc import Callable

import numpy as np

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.vision.background import BackgroundDetector, is_light
from edge.sensors.footfall.vision.people_counter import PeopleCounter
from edge.simulate.scene_weather import WeatheredScene

MakeFrame = Callable[..., Frame]


def test_a_beam_over_the_ground_is_light_and_a_body_in_it_is_not() -> None:
    ground = np.random.default_rng(1).normal(60, 6, (240, 320)).clip(20, 120)
    columns = np.arange(320)
    beam = 1 + 3 * np.exp(-(((columns - 160) / 60) ** 2))
    lit = ground * beam
    lit[100:180, 150:170] = 25  # a dark coat
    found = is_light(lit.clip(0, 255).astype(np.uint8), ground.astype(np.uint8))
    assert found[20:80, 130:190].mean() > 0.95
    assert found[105:175, 154:166].mean() < 0.1
    assert not found[:, :40].any()


def test_an_unlit_street_has_no_light_in_it() -> None:
    ground = np.random.default_rng(2).normal(110, 6, (240, 320))
    walked = ground.copy()
    walked[80:160, 100:130] = 210  # a bright coat
    assert not is_light(walked.astype(np.uint8), ground.astype(np.uint8)).any()


def test_headlights_on_an_empty_street_cross_no_line(grey_frame: MakeFrame) -> None:
    scene = WeatheredScene(seed=221, people_per_min=0, light=0.08, cars_per_min=10)
    frames = [grey_frame(scene.render(n), n, n / scene.fps) for n in range(400)]
    line = Geometry(0, (Line("line", 130, 60, 130, 239),))
    counter = PeopleCounter(line, BackgroundDetector(), frames[0])
    for frame in frames:
        counter.add(frame)
    report = counter.report()
    assert report.counts == ((0, 0),)
    assert report.seen_s > 60
