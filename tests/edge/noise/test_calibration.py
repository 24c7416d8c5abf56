"""A calibrator on the microphone: the offset, its uncertainty, and what is refused."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.clock import FastClock
from edge.errors import CalibrationRefused
from edge.feeds.feed import Reading
from edge.feeds.noise import NoiseFeed
from edge.sensors.noise.calibration import (
    ToneReading,
    check_tone,
    noise_calibration,
    read_tone,
)
from edge.simulate.pcm_microphone import EmulatedMicrophone
from edge.simulate.pcm_street import Sound, StreetSound, Tone

RATE, SENS_DB = 48_000, 120.0


def hear(sound: Sound) -> Iterator[Reading]:
    clock = FastClock(1_790_000_000.0)
    feed = NoiseFeed(
        lambda: EmulatedMicrophone(sound, clock), SENS_DB, clock, ends=False, simulated=True
    )
    return feed.readings()


def tone(level_db: float, frequency_hz: float = 1000.0) -> Tone:
    return Tone(RATE, SENS_DB, level_db, frequency_hz)


class Wandering:
    """A calibrator with a weak battery: 0.5 dB up and down within 4 s."""

    def samples(self, utc_s: float, samples_n: int) -> NDArray[np.float64]:
        level_db = 94 + 0.5 * math.sin(2 * math.pi * utc_s / 4)
        return tone(level_db).samples(utc_s, samples_n)


class Silence:
    """A cable that is off."""

    def samples(self, utc_s: float, samples_n: int) -> NDArray[np.float64]:
        return np.zeros(samples_n)


def test_a_tone_is_read_to_a_hundredth_of_a_db() -> None:
    reading = read_tone(hear(tone(92.7)), 5)
    assert reading.laeq_db == pytest.approx(92.7, abs=0.01)
    assert reading.spread_db < 0.01
    check_tone(reading, 94)


@pytest.mark.parametrize(
    ("sound", "why"),
    [
        (tone(80), r"read 80\.00 dB, the calibrator gives 94\.0 dB.*switch it on"),
        (tone(101), "more than 6 dB apart"),
        (tone(94, 250), "more than 6 dB apart"),
        (tone(96, 500), r"with A and .* with C weighting, which are equal at 1 kHz"),
        (Wandering(), r"wanders by 0\.\d\d dB \(0\.3 at most\); seal the coupler"),
        (StreetSound(RATE, SENS_DB, day_db=92, night_db=92), "wanders by"),
        (tone(119.5), "clipped samples; check noise.sens_db"),
    ],
    ids=["off", "too loud", "250 Hz", "500 Hz", "battery", "street", "clips"],
)
def test_what_is_no_calibrator_is_refused_with_what_was_seen(sound: Sound, why: str) -> None:
    with pytest.raises(CalibrationRefused, match=why):
        check_tone(read_tone(hear(sound), 5), 94)


def test_a_dead_input_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="constant signal; check its cable"):
        read_tone(hear(Silence()), 5)


def reading(laeq_db: float, spread_db: float = 0.0) -> ToneReading:
    return ToneReading(laeq_db, laeq_db, spread_db, 0, 0)


def test_offset_as_left_drift_and_uncertainty_follow_their_formulas() -> None:
    done = noise_calibration(
        reading(92.6, 0.12), reading(92.8, 0.06), 94, limit_db=0.4, last_as_found_db=93.1
    )
    assert done.as_found_db == pytest.approx(92.7)
    assert done.offset_db == pytest.approx(1.3)
    assert done.as_left_db == pytest.approx(94.1)
    assert done.drift_db == pytest.approx(-0.4)
    by_hand = math.sqrt((0.4 / math.sqrt(3)) ** 2 + 0.1**2 + (0.12 / math.sqrt(12)) ** 2)
    assert done.uncertainty_db == pytest.approx(by_hand)


def test_the_first_calibration_and_another_microphone_have_no_drift() -> None:
    same = reading(92.7)
    assert noise_calibration(same, same, 94, limit_db=0.4).drift_db is None
    other = noise_calibration(
        same, same, 94, limit_db=0.4, last_as_found_db=90.0, other_microphone=True
    )
    assert other.drift_db is None


def test_a_seat_that_does_not_repeat_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match=r"92\.70 dB, and 93\.10 dB with the calibrator"):
        noise_calibration(reading(92.7), reading(93.1), 94, limit_db=0.4)


def test_a_drift_that_no_microphone_has_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match=r"-2\.30 dB against its last .*--new-microphone"):
        noise_calibration(reading(92.7), reading(92.7), 94, limit_db=0.4, last_as_found_db=95.0)
