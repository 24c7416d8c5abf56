"""The emulated street by its place's sky: day, lamp light, and a lamp that is out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.clock import FastClock
from edge.feeds.footfall import footfall_feed, under_the_sky_of
from edge.sensors.footfall.camera.sources import scene_of
from edge.sensors.footfall.source_spec import SourceSpec
from edge.sensors.footfall.vision.sight import DARK_LUMA
from edge.settings import from_values

NOON = datetime(2026, 6, 1, 11, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 6, 1, 23, 30, tzinfo=UTC).timestamp()


def _luma(begin_utc_s: float, lamp_lx: float) -> float:
    spec = SourceSpec.parse(
        f"scene:seed=2;sky=1;lamp_lx={lamp_lx};begin_utc_s={begin_utc_s:.0f};people=0"
    )
    return float(scene_of(spec).render(0).mean())


def test_day_is_bright_and_lamp_light_in_between() -> None:
    assert _luma(NOON, 12) > 100
    assert DARK_LUMA < _luma(NIGHT, 12) < _luma(NOON, 12)


def test_an_unlit_street_is_too_dark_to_count() -> None:
    assert _luma(NIGHT, 0) < DARK_LUMA


def test_the_hour_passes_whole_through_the_text_of_a_source() -> None:
    spec = SourceSpec.parse("scene:sky=1")
    text = under_the_sky_of(spec, FastClock(NOON)).to_text()
    assert SourceSpec.parse(text).option("begin_utc_s") == NOON


def test_without_a_sky_the_light_stays_what_it_is() -> None:
    spec = SourceSpec.parse("scene:light=0.3")
    assert under_the_sky_of(spec, FastClock(NIGHT)) == spec
    assert scene_of(spec).light_at(10**6) == 0.3


@pytest.mark.parametrize(("works", "lamp_lx"), [(True, 9.0), (False, 0.0)])
def test_the_street_has_the_lamp_of_its_light_sensor(works: bool, lamp_lx: float) -> None:
    settings = from_values(
        {
            "node_id": "lamp-01",
            "footfall.source": "scene:sky=1",
            "light.lamp_lx": 9.0,
            "light.lamp_works": works,
        },
        Path(),
    )
    feed = footfall_feed(settings, FastClock(NIGHT))
    assert feed is not None
    assert feed.source.option("lamp_lx") == lamp_lx
