from datetime import UTC, datetime
from functools import partial

import pytest

from edge.simulate.lux_profiles import StreetLightProfile, clear_sky_lux, sun_elevation_deg

madrid = partial(StreetLightProfile, latitude_deg=40.4, longitude_deg=-3.7)


def utc_s(year: int, month: int, day: int, hour: int, minute: int = 0) -> float:
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


def test_sun_stands_23_4_degrees_over_the_equator_at_june_solstice_noon() -> None:
    # Solar noon at Greenwich on 21 June 2026 is near 12:02 UTC.
    elevation = sun_elevation_deg(utc_s(2026, 6, 21, 12, 2), 0.0, 0.0)
    assert elevation == pytest.approx(90 - 23.44, abs=0.1)


def test_clear_sky_is_732_lx_at_the_horizon_and_starlight_at_night() -> None:
    assert clear_sky_lux(0.0) == pytest.approx(732)
    assert clear_sky_lux(-40.0) == pytest.approx(6.5e-4, rel=0.01)


def test_lamp_comes_on_once_at_dusk_and_off_once_at_dawn() -> None:
    profile = madrid()
    noon = utc_s(2026, 11, 20, 12)
    states = [profile.lamp_on(noon + minute * 60) for minute in range(24 * 60)]
    changes = [minute for minute in range(1, len(states)) if states[minute] != states[minute - 1]]
    assert not states[0]
    assert len(changes) <= 6  # a cloud may pass at the threshold
    assert sum(states) > 12 * 60


def test_night_is_lamp_light_and_headlights_are_brief() -> None:
    profile = madrid(lamp_lx=12.0)
    midnight = utc_s(2026, 11, 20, 0)
    lux = sorted(profile(midnight + second) for second in range(3600))
    assert lux[1800] == pytest.approx(12.0, rel=0.02)
    assert lux[-1] > 17.0
    assert sum(value > 17 for value in lux) < 200


def test_lamp_that_failed_leaves_the_night_dark() -> None:
    profile = madrid(lamp_works=False, headlights_per_h=0)
    assert profile(utc_s(2026, 11, 20, 0)) < 0.01


def test_same_seed_gives_the_same_light_and_another_another() -> None:
    at = utc_s(2026, 11, 20, 18, 30)
    assert madrid(seed=4)(at) == madrid(seed=4)(at)
    assert madrid(seed=4)(at) != madrid(seed=5)(at)
