"""The sound of a street as samples: pink background by the hour, passing vehicles, a calibrator.

Deterministic: the same seed, sample rate and start give the same samples.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge.sensors.noise.weighting import design_goal_db

_DAY_S = 86_400
_HOUR_S = 3600.0

# Pink (-3 dB an octave, within 0.5 dB from 20 Hz up at 48 kHz) from white: J. O. Smith, Spectral
# Audio Signal Processing, "Example: Synthesis of 1/F Noise".
_PINK_B = (0.049922035, -0.095993537, 0.050612699, -0.004408786)
_PINK_A = (1.0, -2.494956002, 2.017265875, -0.522189400)

# How long a passing vehicle is heard, as the width of a bell curve.
_PASS_SIGMA_S = 2.0
_PASS_REACH_S = 8.0


class Sound(Protocol):
    """Sound pressure at the emulated microphone."""

    def samples(self, utc_s: float, samples_n: int) -> NDArray[np.float64]:
        """The next `samples_n` samples, full scale = 1.0, beginning at `utc_s`."""


@dataclass(frozen=True)
class Tone:
    """A calibrator on the microphone: a steady sine.

    Args:
        sample_rate_hz: Samples a second.
        sens_db: Level of a full-scale sine.
        level_db: Level of the tone.
        frequency_hz: 1 kHz, where every weighting is 0 dB.
    """

    sample_rate_hz: int
    sens_db: float
    level_db: float = 94.0
    frequency_hz: float = 1000.0

    def samples(self, utc_s: float, samples_n: int) -> NDArray[np.float64]:
        """The tone from `utc_s` on."""
        # Whole seconds hold whole periods: leaving them out keeps the phase exact in float64.
        time_s = (utc_s % 1.0) + np.arange(samples_n) / self.sample_rate_hz
        amplitude = 10 ** ((self.level_db - self.sens_db) / 20)
        return np.asarray(amplitude * np.sin(2 * np.pi * self.frequency_hz * time_s))


@dataclass(frozen=True)
class StreetLevels:
    """How loud a street is: A-weighted background by day and night, busiest hour's vehicles."""

    day_db: float
    night_db: float
    vehicles_per_h: float


def street_levels(seed: int) -> StreetLevels:
    """A street's own levels: a quiet park to a main road, always the same for the same seed."""
    night, rise, vehicles = np.random.default_rng((seed, 0x5EED)).random(3)
    night_db = round(40 + 10 * float(night), 1)
    return StreetLevels(
        day_db=round(night_db + 9 + 7 * float(rise), 1),
        night_db=night_db,
        vehicles_per_h=round(30 + 170 * float(vehicles)),
    )


class StreetSound:
    """Pink noise whose A level follows the hour, and vehicles that pass.

    Args:
        sample_rate_hz: Samples a second.
        sens_db: Level of a full-scale sine.
        seed: Which street.
        day_db: A-weighted background in the early afternoon.
        night_db: A-weighted background before dawn.
        vehicles_per_h: Passings in the busiest hour.
        longitude_deg: East; sets the local hour of the sun.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        sens_db: float,
        *,
        seed: int = 1,
        day_db: float = 55.0,
        night_db: float = 42.0,
        vehicles_per_h: float = 120.0,
        longitude_deg: float = 0.0,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._seed = seed
        self._day_db, self._night_db = day_db, night_db
        self._vehicles_per_h = vehicles_per_h
        self._longitude_deg = longitude_deg
        self._rng = np.random.default_rng(seed)
        self._pink_state = np.zeros(len(_PINK_A) - 1)
        # Level of full-scale units: what an A level of 0 dB is as a factor on the pink noise.
        self._pink_at_0_db = 10 ** ((-sens_db - 10 * math.log10(2)) / 20) / math.sqrt(
            a_weighted_pink_power(sample_rate_hz)
        )

    def samples(self, utc_s: float, samples_n: int) -> NDArray[np.float64]:
        """The next samples; call it with consecutive times."""
        white = self._rng.standard_normal(samples_n)
        pink, self._pink_state = signal.lfilter(_PINK_B, _PINK_A, white, zi=self._pink_state)
        return np.asarray(pink * self._amplitude(utc_s, samples_n))

    def level_db(self, utc_s: float) -> float:
        """The A level that the street is meant to have at a moment, vehicles included."""
        energy = 10 ** (self._background_db(utc_s) / 10)
        for begin_s in (utc_s - _PASS_REACH_S, utc_s, utc_s + _PASS_REACH_S):
            energy += self._vehicle_energy(int(begin_s // _PASS_REACH_S), utc_s)
        return 10 * math.log10(energy)

    def _amplitude(self, utc_s: float, samples_n: int) -> NDArray[np.float64]:
        length_s = samples_n / self.sample_rate_hz
        knots_s = np.linspace(0, length_s, max(2, math.ceil(length_s / 0.125) + 1))
        knots = [10 ** (self.level_db(utc_s + float(knot_s)) / 20) for knot_s in knots_s]
        time_s = np.arange(samples_n) / self.sample_rate_hz
        return np.asarray(self._pink_at_0_db * np.interp(time_s, knots_s, knots))

    def _day_share(self, utc_s: float) -> float:
        """1 at 14 h by the sun, 0 at 2 h."""
        hour = (utc_s / _HOUR_S + self._longitude_deg / 15) % 24
        return 0.5 + 0.5 * math.cos(2 * math.pi * (hour - 14) / 24)

    def _background_db(self, utc_s: float) -> float:
        return self._night_db + (self._day_db - self._night_db) * self._day_share(utc_s)

    def _vehicle_energy(self, span: int, utc_s: float) -> float:
        """Energy at `utc_s` of the vehicle that passes within a span of 8 s, if one does."""
        rng = np.random.default_rng((self._seed, span % (366 * _DAY_S)))
        passes, when, loudness = rng.random(3)
        middle_s = (span + when) * _PASS_REACH_S
        per_span = self._vehicles_per_h * _PASS_REACH_S / _HOUR_S
        if passes >= per_span * (0.05 + 0.95 * self._day_share(middle_s)):
            return 0.0
        peak_db = 60 + 12 * loudness
        distance = (utc_s - middle_s) / _PASS_SIGMA_S
        return float(10 ** (peak_db / 10) * math.exp(-0.5 * distance**2))


def a_weighted_pink_power(sample_rate_hz: int) -> float:
    """Mean square of the A-weighted pink noise made from white noise of unit variance."""
    frequency_hz, response = signal.freqz(_PINK_B, _PINK_A, worN=1 << 16, fs=sample_rate_hz)
    weight_db = design_goal_db(frequency_hz[1:], "A")
    return float(np.mean(np.abs(response[1:]) ** 2 * 10 ** (weight_db / 10)))
