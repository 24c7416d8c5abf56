"""docs/accuracy.md says what its figures say, and the figures are those the programs print."""

import json
from typing import Any

import pytest

from benchmarks import light, noise
from benchmarks.accuracy import FIGURES, PAGE, SECTIONS
from benchmarks.accuracy_page import page
from benchmarks.footfall_cost import STREETS
from benchmarks.footfall_scenes import BANDS_LX, SCENES, band_of
from benchmarks.footfall_scoring import Score, unmatched

SOME_LIGHT_PART = "bh1750"


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """What was measured last."""
    found: dict[str, Any] = json.loads(FIGURES.read_text())
    return found


def test_the_page_is_current(kept: dict[str, Any]) -> None:
    assert PAGE.read_text() == page(kept), "run: python -m benchmarks.accuracy --render"


def test_the_page_says_on_what_it_was_measured_and_what_was_not(kept: dict[str, Any]) -> None:
    text = page(kept)
    assert all(section["measured"]["date"] in text for section in kept.values())
    assert list(kept) == [*SECTIONS, "soak"]
    assert "not on a Pi" in text
    assert "No Raspberry Pi, no sensor, no microphone, no street" in text


def test_every_scene_band_and_street_of_today_was_measured(kept: dict[str, Any]) -> None:
    footfall = kept["footfall"]["figures"]
    assert [row["scene"] for row in footfall["scenes"]] == list(SCENES)
    assert [row["band"] for row in footfall["bands"]] == [name for name, _ in BANDS_LX]
    streets = [(row["fps"], row["people_per_min"]) for row in footfall["growth"]]
    assert streets == [*STREETS] * (len(streets) // len(STREETS))


def test_every_light_and_noise_figure_of_today_was_measured(kept: dict[str, Any]) -> None:
    parts = {name.split(",")[0].split(":")[0] for name in kept["light"]["figures"]}
    assert parts == set(light.PARTS)
    some = {name for name in kept["light"]["figures"] if name.startswith(SOME_LIGHT_PART)}
    assert some == set(light.figures(SOME_LIGHT_PART))
    for burst_ms in noise.BURSTS_MS:
        assert f"LAFmax of a {burst_ms} ms burst: error" in kept["noise"]["figures"]


def test_the_figures_meet_what_the_page_says_must_be_met(kept: dict[str, Any]) -> None:
    found = kept["noise"]["figures"]
    assert abs(found["weighting A at 48000 Hz, 20 Hz to 16000 Hz: largest error"]) <= 0.15
    for burst_ms in (1000, 500, 200, 100, 50, 20, 10, 5):
        assert abs(found[f"LAFmax of a {burst_ms} ms burst: error"]) <= 0.1
    assert all(
        abs(value) <= 0.05
        for name, value in found.items()
        if "eq of" in name and "hour" not in name
    )
    assert abs(found["LAeq of an hour from 60 records: error"]) <= 0.01


def test_the_node_and_the_real_clip_meet_their_limits(kept: dict[str, Any]) -> None:
    for agent in kept["node"]["figures"]["agents"]:
        assert agent["core_share"] <= 0.25
        assert agent["rss_mb"] <= 350
    clips = {row["detector"].split("-")[0]: row for row in kept["footfall"]["figures"]["clips"]}
    assert clips["yolox"]["missed"] + clips["yolox"]["made_up"] <= 2
    assert clips["yolox"]["fps"] >= 20


def test_a_score_pairs_each_crossing_once_and_by_its_way() -> None:
    truth = [(100, "a_to_b"), (104, "a_to_b"), (200, "b_to_a")]
    found = [(106, "a_to_b"), (201, "a_to_b"), (202, "b_to_a")]
    score = Score.of(truth, found, fps=10)
    assert (score.true, score.counted) == ((2, 1), (2, 1))
    assert (score.missed, score.made_up) == ((1, 0), (1, 0))
    assert score.f1 == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert score.net_error == 0


def test_nobody_there_has_no_share_but_what_was_made_up() -> None:
    assert unmatched([], [5, 9], 10) == (0, 2)
    nobody = Score.of([], [], fps=5)
    assert (nobody.f1, nobody.net_error) == (None, None)


def test_bands_begin_where_they_say() -> None:
    assert band_of(0.5) == "under 0.6 lx"
    assert band_of(2.0) == "2 to 10 lx"
    assert band_of(30.0) == "30 lx and more"
