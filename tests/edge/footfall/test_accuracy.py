"""Counts against the truth: generated clips always, the real clip when it is there."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.sensors.footfall.command import count_video
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.source_spec import SourceSpec
from edge.simulate.scene import StreetScene

LINE = (130.0, 60.0, 130.0, 239.0)
GEOMETRY = Geometry(0, (Line("line", *LINE),))
# Before this the background isn't learned and nobody's way is known.
LEARN_S = 4


def truth_of(scene: StreetScene, frames: int) -> dict[str, int]:
    ways = [crossing.direction for crossing in scene.crossings(LINE, frames)]
    return {way: ways.count(way) for way in ("a_to_b", "b_to_a")}


def test_single_walkers_of_a_generated_clip_are_all_counted(
    write_clip: Callable[[StreetScene, int], Path],
) -> None:
    # Seed chosen so that nobody crosses while the background is being learned.
    scene = StreetScene(seed=22, fps=10, people_per_min=5, groups=0)
    assert not scene.crossings(LINE, LEARN_S * 10)
    clip = write_clip(scene, 900)
    result = count_video(SourceSpec.parse(str(clip)), GEOMETRY)
    truth = truth_of(scene, 900)
    assert truth["a_to_b"] >= 3
    assert truth["b_to_a"] >= 3
    assert {way: result[way] for way in truth} == truth
    assert result["video_s"] == pytest.approx(90)
    assert result["flags"] == []


def test_a_street_with_groups_is_counted_within_a_third() -> None:
    seed = 31
    spec = SourceSpec.parse(f"scene:seed={seed};seconds=240")
    result = count_video(spec, GEOMETRY)
    truth = truth_of(StreetScene(seed=seed), 1200)
    got, true = int(str(result["a_to_b"])) + int(str(result["b_to_a"])), sum(truth.values())
    assert 0.67 * true <= got <= 1.1 * true


def test_the_real_clip_is_within_a_fifth_each_way(real_data: Path) -> None:
    with (real_data / "vtest_crossings.csv").open() as file:
        ways = [row["direction"] for row in csv.DictReader(file)]
    # Side A of 310,180 -> 310,575 is on the left, so walking right is a_to_b.
    truth = {"a_to_b": ways.count("right"), "b_to_a": ways.count("left")}
    geometry = Geometry(0, (Line("line", 310, 180, 310, 575),))
    spec = SourceSpec.parse(str(real_data / "vtest.avi"))
    result = count_video(spec, geometry)
    for way, true in truth.items():
        assert abs(int(str(result[way])) - true) <= 0.2 * true
