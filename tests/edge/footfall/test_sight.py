"""Whether the camera sees: dark, covered and frozen are said."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.reports import SightState
from edge.sensors.footfall.vision.sight import FROZEN_S, SETTLE_S, Sight

MakeFrame = Callable[..., Frame]
Noisy = Callable[[float, int], NDArray[np.uint8]]


def states(sight: Sight, frames: list[Frame]) -> list[SightState]:
    return [sight.look(frame) for frame in frames]


def test_a_street_by_day_is_seen(grey_frame: MakeFrame, noisy: Noisy) -> None:
    seen = states(Sight(), [grey_frame(noisy(110, n), n) for n in range(100)])
    assert set(seen) == {SightState.SEEING}


def test_a_dark_street_is_too_dark_from_the_first_frame(
    grey_frame: MakeFrame, noisy: Noisy
) -> None:
    assert Sight().look(grey_frame(noisy(6, 0), 0)) is SightState.DARK


def test_a_cap_on_the_lens_is_a_cover(grey_frame: MakeFrame, noisy: Noisy) -> None:
    sight = Sight()
    states(sight, [grey_frame(noisy(110, n), n) for n in range(20)])
    rng = np.random.default_rng(1)
    capped = [rng.normal(60, 2, (240, 320)).astype(np.uint8) for _ in range(40)]
    after = states(sight, [grey_frame(pixels, 20 + n) for n, pixels in enumerate(capped)])
    assert after[int(SETTLE_S * 10) - 2] is SightState.SEEING
    assert after[-1] is SightState.COVERED


def test_what_passes_quickly_is_no_cover(grey_frame: MakeFrame, noisy: Noisy) -> None:
    sight = Sight()
    flat = np.full((240, 320), 60, np.uint8)
    pictures = [noisy(110, n) if n % 20 > 8 or n < 20 else flat + n % 3 for n in range(100)]
    seen = states(sight, [grey_frame(pixels, n) for n, pixels in enumerate(pictures)])
    assert set(seen) == {SightState.SEEING}


def test_the_same_picture_for_long_is_frozen(grey_frame: MakeFrame, noisy: Noisy) -> None:
    sight = Sight()
    same = noisy(110, 0)
    seen = states(sight, [grey_frame(same, n) for n in range(int((FROZEN_S + SETTLE_S) * 10) + 2)])
    assert seen[int(FROZEN_S * 10) - 1] is SightState.SEEING
    assert seen[-1] is SightState.FROZEN


def test_a_black_picture_is_dark_however_long_it_stays_the_same(grey_frame: MakeFrame) -> None:
    black = np.zeros((240, 320), np.uint8)
    seen = states(Sight(), [grey_frame(black, n) for n in range(100)])
    assert set(seen) == {SightState.DARK}


def test_sight_comes_back(grey_frame: MakeFrame, noisy: Noisy) -> None:
    sight = Sight()
    states(sight, [grey_frame(noisy(5, n), n) for n in range(10)])
    seen = states(sight, [grey_frame(noisy(110, n), n) for n in range(10, 40)])
    assert seen[0] is SightState.DARK
    assert seen[-1] is SightState.SEEING


def test_luma_is_the_mean_of_the_picture(grey_frame: MakeFrame) -> None:
    sight = Sight()
    sight.look(grey_frame(np.full((240, 320), 77, np.uint8)))
    assert sight.luma == pytest.approx(77, abs=0.5)
