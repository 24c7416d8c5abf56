"""A lux sensor against a reference meter: readings at some levels and in the dark, one fit.

A sensor that follows the light gives the same ratio at every level. Where the ratios disagree,
one of the readings is wrong (a shadow, another place, a misread meter): then nothing is recorded.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.errors import CalibrationRefused
from edge.feeds.feed import Reading
from edge.sensors.light.lux_sample import LuxSample

SAMPLES_N = 10
# The first ones may have begun before the light was set, or be the search for a range.
DISCARDED_N = 3
# A cover that lets more through isn't one; the parts' own dark counts are below 0.1 lx.
DARK_MAX_LX = 0.5
# Share by which the samples of one reading may differ: lamps on mains flicker less over 100 ms.
STEADY_SHARE = 0.05
# The brightest level over the dimmest: closer together they don't show that the sensor is linear.
LEAST_RANGE = 3.0
# How far a level's ratio may be from the mean of all.
RATIO_SHARE = 0.08
# Domes pass 70 to 95 %, parts are within 20 % of their datasheet.
GAIN_RANGE = (0.5, 2.0)
LEAST_LEVELS_N = 3


@dataclass(frozen=True)
class LuxReading:
    """The sensor at one level: median and spread ((max - min) / median) of its samples."""

    lux: float
    spread_share: float
    saturated: bool
    near_floor: bool


@dataclass(frozen=True)
class Level:
    """The same light on the reference meter and on the sensor, in lux."""

    reference_lx: float
    sensor_lx: float


@dataclass(frozen=True)
class LightCalibration:
    """corrected = gain x reading + offset, in lux.

    Args:
        ratio_spread_share: Standard deviation of the levels' ratios over their mean.
        uncertainty_lx: Standard uncertainty of a corrected reading at the middle level.
        middle: The level with the middle reference.
        as_left_lx: Its reading, corrected.
        drift_share: How much more the sensor shows of the same light than at the calibration
            before; None for the first.
    """

    gain: float
    offset_lx: float
    ratio_spread_share: float
    uncertainty_lx: float
    middle: Level
    as_left_lx: float
    drift_share: float | None


def read_lux(readings: Iterator[Reading]) -> LuxReading:
    """One reading of what falls on the sensor now; raises `SensorError` as the sensor."""
    samples: list[LuxSample] = []
    for number, reading in enumerate(readings):
        if number >= DISCARDED_N:
            samples.append(reading.piece.data)
        if len(samples) == SAMPLES_N:
            break
    values = [sample.lux for sample in samples]
    median = statistics.median(values)
    return LuxReading(
        lux=median,
        spread_share=(max(values) - min(values)) / median if median else 0.0,
        saturated=any(sample.saturated for sample in samples),
        near_floor=any(sample.near_floor for sample in samples),
    )


def check_dark(reading: LuxReading) -> None:
    """Raise `CalibrationRefused` when the covered sensor sees light."""
    if reading.lux > DARK_MAX_LX:
        raise CalibrationRefused(
            f"the covered sensor reads {reading.lux:.2f} lx ({DARK_MAX_LX:g} at most); cover it"
            " with something opaque that closes all round"
        )


def check_level(reading: LuxReading, reference_lx: float) -> None:
    """Raise `CalibrationRefused` when a reading can't be compared with the meter's."""
    seen = f"at {reference_lx:g} lx by the meter the sensor reads {reading.lux:.2f} lx"
    if reading.saturated:
        raise CalibrationRefused(f"{seen} and is at its limit; use less light")
    if reading.near_floor:
        raise CalibrationRefused(f"{seen}, which is near its floor; use more light")
    if reading.spread_share > STEADY_SHARE:
        raise CalibrationRefused(
            f"{seen}, but it varies by {reading.spread_share:.0%} ({STEADY_SHARE:.0%} at most);"
            " use a steady lamp, keep shadows and clouds away"
        )


def light_calibration(
    dark_lx: float,
    levels: Sequence[Level],
    *,
    meter_share: float,
    last_gain: float | None = None,
) -> LightCalibration:
    """Gain and offset from a reading in the dark and at least three levels.

    gain = mean over the levels of reference / (reading - dark); offset = -gain x dark. Each level
    weighs the same, however bright: the errors of meters and domes are shares of the light. The
    standard uncertainty at the middle level (GUM, JCGM 100:2008, 5.1.2) is
    sqrt((y u_meter)^2 + (y s / sqrt(n))^2 + (gain dark / sqrt(3))^2) with y its corrected reading,
    s the standard deviation of the ratios over their mean, n the levels, and u_meter =
    meter_share / sqrt(3), the meter's limit as a rectangular distribution.

    Args:
        meter_share: By how much of its reading the meter may be wrong: 0.05 for class B of
            DIN 5032-7.
        last_gain: Of the calibration before.
    Raises:
        CalibrationRefused: too few or too close levels, ratios that disagree, a gain that no
            sensor has.
    """
    _check_range(dark_lx, levels)
    ratios = [level.reference_lx / (level.sensor_lx - dark_lx) for level in levels]
    gain = statistics.mean(ratios)
    worst = max(range(len(levels)), key=lambda n: abs(ratios[n] / gain - 1))
    if abs(ratios[worst] / gain - 1) > RATIO_SHARE:
        shown = ", ".join(
            f"{level.reference_lx:g} lx: {ratio:.3f}"
            for level, ratio in zip(levels, ratios, strict=True)
        )
        raise CalibrationRefused(
            f"the readings disagree; meter over sensor at {shown}; the one at"
            f" {levels[worst].reference_lx:g} lx is {abs(ratios[worst] / gain - 1):.0%} off"
            f" ({RATIO_SHARE:.0%} at most); hold the meter's head beside the dome, level with it,"
            " and read again"
        )
    if not GAIN_RANGE[0] <= gain <= GAIN_RANGE[1]:
        raise CalibrationRefused(
            f"the gain would be {gain:.2f} ({GAIN_RANGE[0]:g} to {GAIN_RANGE[1]:g} is believed);"
            " check the meter's unit (lx, not fc), the dome and the sensor's type in light.source"
        )
    spread = statistics.stdev(ratios) / gain
    middle = sorted(levels, key=lambda level: level.reference_lx)[len(levels) // 2]
    offset_lx = 0.0 - gain * dark_lx  # never -0.0, which reads like something
    as_left_lx = gain * middle.sensor_lx + offset_lx
    return LightCalibration(
        gain=gain,
        offset_lx=offset_lx,
        ratio_spread_share=spread,
        uncertainty_lx=math.sqrt(
            (as_left_lx * meter_share) ** 2 / 3
            + (as_left_lx * spread) ** 2 / len(levels)
            + offset_lx**2 / 3
        ),
        middle=middle,
        as_left_lx=as_left_lx,
        drift_share=None if last_gain is None else last_gain / gain - 1,
    )


def _check_range(dark_lx: float, levels: Sequence[Level]) -> None:
    if len(levels) < LEAST_LEVELS_N:
        raise CalibrationRefused(
            f"{len(levels)} levels were read; {LEAST_LEVELS_N} different ones are the least"
        )
    references = [level.reference_lx for level in levels]
    if min(references) <= 0 or max(references) < LEAST_RANGE * min(references):
        raise CalibrationRefused(
            f"the meter read {min(references):g} to {max(references):g} lx; the brightest level"
            f" must be at least {LEAST_RANGE:g} times the dimmest"
        )
    for level in levels:
        if level.sensor_lx <= dark_lx:
            raise CalibrationRefused(
                f"at {level.reference_lx:g} lx by the meter the sensor reads"
                f" {level.sensor_lx:.2f} lx, no more than in the dark; check that it is uncovered"
            )
