"""A moved camera is noticed, by day and under street light; people, weather and light move none."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.reports import SightState
from edge.sensors.footfall.stats import FootfallStats
from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.people_counter import PeopleCounter
from edge.sensors.footfall.vision.view import PERSIST_S, WINDOW_S, View
from edge.simulate.scene_weather import WeatheredScene

MakeFrame = Callable[..., Frame]
Picture = NDArray[np.uint8]
# Two windows to learn the view, then some time in which it may be doubted.
LEARN_S = round(2 * WINDOW_S) + 5
AGAIN_S = round(WINDOW_S + PERSIST_S) + 10


def same(picture: Picture) -> Picture:
    return picture


def turned(degrees: float = 0, right_px: float = 0, down_px: float = 0) -> Callable[..., Picture]:
    """The picture of a camera that was pushed."""

    def turn(picture: Picture) -> Picture:
        height, width = picture.shape
        way = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        way[:, 2] += np.array((right_px, down_px))
        size = (width, height)
        return np.asarray(cv2.warpAffine(picture, way, size, borderMode=cv2.BORDER_REFLECT))

    return turn


def watch(
    view: View,
    scene: WeatheredScene,
    make: MakeFrame,
    seconds: range,
    change: Callable[[Picture], Picture] = same,
) -> list[bool]:
    """What the view says in each of those seconds."""
    return [
        view.look(make(change(scene.render(round(second * scene.fps))), second, float(second)))
        for second in seconds
    ]


@pytest.mark.parametrize(
    ("light", "push"),
    [
        (1, {"right_px": 6}),
        (1, {"down_px": 12}),
        (1, {"right_px": 60, "down_px": 30}),
        (1, {"degrees": 6}),
        (0.3, {"right_px": 10, "down_px": 6}),
        (0.1, {"right_px": 10, "down_px": 8}),
    ],
    ids=["nudged by 2 %", "tilted", "turned away", "rolled", "at dusk", "under street light"],
)
def test_a_pushed_camera_is_noticed(
    light: float, push: dict[str, float], grey_frame: MakeFrame
) -> None:
    view, scene = View(), WeatheredScene(seed=211, light=light)
    assert not any(watch(view, scene, grey_frame, range(LEARN_S)))
    pushed = watch(view, scene, grey_frame, range(LEARN_S, LEARN_S + AGAIN_S), turned(**push))
    assert not any(pushed[: round(PERSIST_S)])
    assert pushed[-1]


@pytest.mark.parametrize(
    "scene",
    [
        WeatheredScene(seed=212, dark_after_s=200, dark_light=0.02),
        WeatheredScene(seed=213, people_per_min=30, groups=0.5, loiterers=0.1),
        WeatheredScene(seed=214, light=0.08, cars_per_min=15),
        WeatheredScene(seed=215, light=0.3, rain=1),
    ],
    ids=["dusk to dark", "crowd", "headlights", "heavy rain"],
)
def test_nothing_but_a_push_moves_the_camera(scene: WeatheredScene, grey_frame: MakeFrame) -> None:
    assert not any(watch(View(), scene, grey_frame, range(220)))


def test_a_camera_that_is_put_back_sees_again(grey_frame: MakeFrame) -> None:
    view, scene = View(), WeatheredScene(seed=216)
    watch(view, scene, grey_frame, range(LEARN_S))
    moved_s = range(LEARN_S, LEARN_S + AGAIN_S)
    assert watch(view, scene, grey_frame, moved_s, turned(right_px=40))[-1]
    back = watch(view, scene, grey_frame, range(moved_s.stop, moved_s.stop + round(WINDOW_S)))
    assert not back[-1]


def test_the_new_view_is_never_taken_for_the_old_one(grey_frame: MakeFrame) -> None:
    view, scene = View(), WeatheredScene(seed=217)
    watch(view, scene, grey_frame, range(LEARN_S))
    later = watch(view, scene, grey_frame, range(LEARN_S, LEARN_S + 200), turned(right_px=40))
    assert all(later[AGAIN_S:])


def test_somebody_before_the_camera_at_the_start_is_not_learned(grey_frame: MakeFrame) -> None:
    def hidden(picture: Picture) -> Picture:
        noise = np.random.default_rng(3).normal(90, 30, (24, 32)).repeat(10, 0).repeat(10, 1)
        return np.asarray(np.clip(noise, 0, 255), np.uint8) // 2 + picture // 8

    view, scene = View(), WeatheredScene(seed=218)
    watch(view, scene, grey_frame, range(40), hidden)
    assert not any(watch(view, scene, grey_frame, range(40, 40 + LEARN_S + AGAIN_S)))


def test_a_moved_camera_counts_nothing_and_flags_the_window(grey_frame: MakeFrame) -> None:
    scene = WeatheredScene(seed=219, fps=1)
    geometry = Geometry(0, (Line("line", 130, 60, 130, 239),))
    counter = PeopleCounter(geometry, BackgroundDetector(), grey_frame(scene.render(0), 0, 0.0))
    push, reports = turned(right_px=50, down_px=20), []
    for second in range(LEARN_S + AGAIN_S + 60):
        picture = scene.render(second)
        picture = push(picture) if second >= LEARN_S else picture
        counter.add(grey_frame(picture, second, float(second)))
        reports.append(counter.report())
    assert reports[-1].state is SightState.MOVED
    stats = FootfallStats(geometry)
    for report in reports[-50:]:
        stats.add(report)
    fields = stats.fields()
    assert fields.valid_s == 0
    assert fields.lines[0].a_to_b is None
    assert [str(flag) for flag in fields.flags] == ["OCCLUDED"]
