from datetime import UTC, datetime

import astral
import astral.sun
import numpy as np
import pytest

from server.lighting.sun import clear_sky_lx, elevation_deg


@pytest.mark.parametrize("lat", [-75.0, -33.0, 0.0, 5.0, 28.0, 52.5, 65.0, 69.6, 85.0])
def test_elevation_is_within_two_hundredths_of_astral(lat: float) -> None:
    t_s = np.arange(631_152_000, 2_840_140_800, 86_400 * 97 + 12_345, dtype=np.int64)
    observer = astral.Observer(lat, 18.9)
    theirs = [
        astral.sun.elevation(observer, datetime.fromtimestamp(int(s), UTC), with_refraction=False)
        for s in t_s
    ]
    assert np.abs(elevation_deg(t_s, lat, 18.9) - theirs).max() < 0.02


def test_elevation_keeps_the_shape() -> None:
    assert elevation_deg(np.zeros((3, 5), dtype=np.int64), 50.0, 8.0).shape == (3, 5)


def test_clear_sky_gives_the_tables_values() -> None:
    assert clear_sky_lx(np.array([-6.0, 0.0, 90.0])) == pytest.approx([3.4, 732.0, 129_000.0])
