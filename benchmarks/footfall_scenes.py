"""Rendered streets with exact truth: what helps the people counter and what hurts it.

Background subtraction only: to YOLOX the rendered figures are drawings, not people. The seeds are
not those of the tests; the scenes are the development set, the real clip isn't.

A crossing in a second in which the counter itself said that it couldn't see (dark, learning)
belongs to neither list; the share of such seconds stands beside the score.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import cv2

from benchmarks.footfall_scoring import Event, Score
from edge.sensors.footfall.frames import Frame, PixelFormat
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.reports import SightState
from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.people_counter import PeopleCounter
from edge.simulate.scene_weather import WeatheredScene

LINE = (130.0, 60.0, 130.0, 239.0)
# The lamp post stands at 0.57 of 320 px and hides a third of a nearer person's width.
POST_LINE = (184.0, 60.0, 184.0, 239.0)
SECONDS = 240
# The background is being learned and nobody's way is known yet.
LEARN_S = 4
# What the emulated camera's `light` stands for: a small camera shows a picture of full brightness
# down to about 30 lx, and under that one as the square root of the light. An assumption of the
# emulation, as is what follows from it for lux bands; only a site's own validation measures that.
FULL_LIGHT_LX = 30.0
# Lower ends in lx: unlit, badly lit street, lit street, square or dusk, day.
BANDS_LX = (("under 0.6 lx", 0.0), ("0.6 to 2 lx", 0.6), ("2 to 10 lx", 2.0),
            ("10 to 30 lx", 10.0), ("30 lx and more", 30.0))  # fmt: skip
BAND_LIGHTS = (1.0, 0.5, 0.3, 0.15, 0.08, 0.04, 0.02, 0.014)


@dataclass(frozen=True)
class SceneScore:
    """One scene; `unseen_share` is the part of its time in which the counter said so."""

    scene: str
    score: Score
    unseen_share: float


@dataclass(frozen=True)
class Counted:
    """What the counter made of a scene."""

    truth: list[Event]
    found: list[Event]
    unseen_share: float


def street(seed: int, **options: Any) -> WeatheredScene:
    """Eight walkers a minute, each alone, seen at a node's usual 5 fps, unless said otherwise."""
    chosen: dict[str, Any] = {"fps": 5.0, "people_per_min": 8.0, "groups": 0.0} | options
    return WeatheredScene(seed=seed, **chosen)


SCENES: dict[str, WeatheredScene] = {
    "single walkers": street(141),
    "single walkers, 10 fps": street(141, fps=10),
    "a third in groups": street(142, groups=0.3),
    "crowd, most in groups": street(143, people_per_min=20, groups=0.6),
    "loitering (half stop)": street(144, loiterers=0.5),
    "line behind a lamp post": street(145),
    "no shadows (overcast)": street(146, light=0.49),
    "the same with shadows": street(146, light=0.51),
    "rain, day": street(147, rain=0.6),
    "heavy rain, night": street(147, rain=1, light=0.08),
    "headlights, night": street(148, light=0.08, cars_per_min=8),
    "headlights, nobody there": street(149, people_per_min=0, light=0.08, cars_per_min=8),
    "heavy rain, nobody there": street(149, people_per_min=0, light=0.3, rain=1),
    "dusk to dark": street(150, dark_after_s=SECONDS - 20),
}


def scene_scores() -> list[SceneScore]:
    """Every scene, two at a time: truth and counts don't depend on the machine's pace."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(score_scene, SCENES))


def score_scene(name: str) -> SceneScore:
    cv2.setNumThreads(1)
    scene = SCENES[name]
    counted = count_scene(scene, POST_LINE if "post" in name else LINE)
    return SceneScore(name, Score.of(counted.truth, counted.found, scene.fps), counted.unseen_share)


def band_scores() -> dict[str, Score]:
    """The same people under ever less light, added up by band."""
    totals = {name: Score((0, 0), (0, 0), (0, 0), (0, 0)) for name, _ in BANDS_LX}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for light, score in zip(BAND_LIGHTS, pool.map(score_light, BAND_LIGHTS), strict=True):
            totals[band_of(light * FULL_LIGHT_LX)] += score
    return totals


def score_light(light: float) -> Score:
    cv2.setNumThreads(1)
    scene = street(151, groups=0.3, light=light)
    counted = count_scene(scene, LINE)
    return Score.of(counted.truth, counted.found, scene.fps)


def band_of(lux: float) -> str:
    return [name for name, from_lx in BANDS_LX if lux >= from_lx][-1]


def count_scene(
    scene: WeatheredScene, line: tuple[float, float, float, float], seconds: int = SECONDS
) -> Counted:
    """Count a scene in this process, frame by frame."""
    geometry = Geometry(0, (Line("line", *line),))
    frames = round(seconds * scene.fps)
    first = frame_of(scene, 0)
    counter = PeopleCounter(geometry, BackgroundDetector(), first)
    found: list[Event] = []
    seen = set()
    for number in range(frames):
        counter.add(frame_of(scene, number))
        report = counter.report()
        if report.state is SightState.SEEING and number >= LEARN_S * scene.fps:
            seen.add(number)
        (a_to_b, b_to_a) = report.counts[0]
        found += [(number, "a_to_b")] * a_to_b + [(number, "b_to_a")] * b_to_a
    truth = [(crossing.frame, crossing.direction) for crossing in scene.crossings(line, frames)]
    return Counted(
        [event for event in truth if event[0] in seen],
        [event for event in found if event[0] in seen],
        1 - len(seen) / (frames - LEARN_S * scene.fps),
    )


def frame_of(scene: WeatheredScene, number: int) -> Frame:
    pixels = scene.render(number)
    return Frame(
        number, number / scene.fps, False, PixelFormat.GREY, scene.width, scene.height, pixels
    )
