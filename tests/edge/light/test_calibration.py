"""A lux sensor against a reference meter: the fit, its uncertainty, and what is refused."""

import math
from collections.abc import Sequence

import pytest

from edge.clock import FastClock
from edge.errors import CalibrationRefused
from edge.feeds.light import light_feed
from edge.sensors.light.calibration import (
    Level,
    LuxReading,
    check_dark,
    check_level,
    light_calibration,
    read_lux,
)
from edge.settings import load
from edge.simulate.light_bench import LightBench


def levels(*pairs: tuple[float, float]) -> list[Level]:
    return [Level(reference, sensor) for reference, sensor in pairs]


def test_gain_offset_and_uncertainty_follow_their_formulas() -> None:
    done = light_calibration(
        0.2, levels((5, 4.2), (50, 40.2), (500, 416.9)), meter_share=0.05, last_gain=1.2
    )
    ratios = [1.25, 1.25, 500 / 416.7]
    gain = sum(ratios) / 3
    assert done.gain == pytest.approx(gain)
    assert done.offset_lx == pytest.approx(-0.2 * gain)
    assert done.middle == Level(50, 40.2)
    assert done.as_left_lx == pytest.approx(40.0 * gain)
    spread = math.sqrt(sum((ratio - gain) ** 2 for ratio in ratios) / 2) / gain
    assert done.ratio_spread_share == pytest.approx(spread)
    by_hand = math.sqrt(
        (done.as_left_lx * 0.05 / math.sqrt(3)) ** 2
        + (done.as_left_lx * spread / math.sqrt(3)) ** 2
        + (gain * 0.2 / math.sqrt(3)) ** 2
    )
    assert done.uncertainty_lx == pytest.approx(by_hand)
    assert done.drift_share == pytest.approx(1.2 / gain - 1)


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (levels((5, 4), (500, 400)), "2 levels were read; 3 different ones are the least"),
        (levels((5, 4), (6, 5), (7, 6)), "the brightest level must be at least 3 times"),
        (
            levels((5, 4), (50, 40), (500, 300)),
            r"disagree.*5 lx: 1\.250, 50 lx: 1\.250, 500 lx: 1\.667; the one at 500 lx is 20% off",
        ),
        (levels((5, 54), (50, 538), (500, 5380)), r"gain would be 0\.09.*\(lx, not fc\)"),
        (levels((5, 0), (50, 40), (500, 400)), "no more than in the dark; check that it is"),
    ],
    ids=["too few", "too close", "one wrong", "foot-candles", "covered"],
)
def test_readings_that_cannot_be_right_are_refused(read: Sequence[Level], why: str) -> None:
    with pytest.raises(CalibrationRefused, match=why):
        light_calibration(0.0, read, meter_share=0.05)


def test_a_cover_that_leaks_is_refused() -> None:
    check_dark(LuxReading(0.4, 0.0, saturated=False, near_floor=True))
    with pytest.raises(CalibrationRefused, match=r"covered sensor reads 2\.10 lx \(0\.5 at most\)"):
        check_dark(LuxReading(2.1, 0.0, saturated=False, near_floor=False))


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (LuxReading(40, 0.2, saturated=False, near_floor=False), "varies by 20%"),
        (LuxReading(40, 0.0, saturated=True, near_floor=False), "at its limit; use less light"),
        (LuxReading(40, 0.0, saturated=False, near_floor=True), "near its floor; use more light"),
    ],
    ids=["unsteady", "saturated", "near floor"],
)
def test_a_level_that_cannot_be_compared_is_refused(seen: LuxReading, why: str) -> None:
    with pytest.raises(CalibrationRefused, match=why):
        check_level(seen, 50)


@pytest.mark.parametrize("part", ["opt3001", "veml7700", "bh1750"])
def test_every_part_reads_the_bench_through_its_dome(part: str) -> None:
    settings = load(
        None, ["node_id=park-1", f"light.source=emulated:{part}", "light.dome_share=0.8"]
    )
    bench = LightBench()
    feed = light_feed(settings, FastClock(1_790_000_000.0), bench)
    assert feed is not None
    for lux in (0.0, 10.0, 1000.0, 50.0):
        bench.lux = lux
        reading = read_lux(feed.readings())
        assert reading.lux == pytest.approx(0.8 * lux, rel=0.03, abs=0.05)
        if lux:
            check_level(reading, lux)
        else:
            check_dark(reading)
