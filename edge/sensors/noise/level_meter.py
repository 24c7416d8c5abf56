"""The sound level meter: samples in, one `LevelSlot` each 125 ms out.

The meter cuts its input into slots by itself, so the same samples give the same slots whatever
blocks they arrive in. It holds less than one slot of audio.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge.sensors.noise.weighting import WeightingFilter

# Exponential time weightings of IEC 61672-1.
FAST_S = 0.125
SLOW_S = 1.0

SLOTS_PER_S = 8

# After 8 time constants the detector is within 0.0015 dB of its end value; until then what it
# shows is its own start, which must not become the quietest moment of a window.
SETTLING_TIME_CONSTANTS = 8

# Within 1 dB of full scale the input counts as overloaded: MEMS microphones distort before they
# clip, and the peak between two samples is higher than either.
OVERLOAD_AT = 10 ** (-1 / 20)


@dataclass(frozen=True, slots=True)
class LevelSlot:
    """What 125 ms of sound came to. Levels in dB re 20 µPa, exposures in (20 µPa)² s.

    Args:
        seconds: Length; less than 0.125 only for the rest at the end of a stream.
        exposure_a: A-weighted sound exposure.
        exposure_c: C-weighted sound exposure.
        max_db: Highest time-weighted A level at any sample of the slot.
        min_db: Lowest one; None until the detector has settled.
        end_db: The one at the slot's end; None until settled, and for the rest of a stream.
        overload_n: Samples within 1 dB of full scale.
        constant: Every sample had the same value: no microphone, or a blocked one.
    """

    seconds: float
    exposure_a: float
    exposure_c: float
    max_db: float
    min_db: float | None
    end_db: float | None
    overload_n: int
    constant: bool


class LevelMeter:
    """Streaming level meter for one microphone.

    Args:
        sample_rate_hz: One of the rates that `weighting.FITTED_ZEROS` knows.
        sens_db: Sound pressure level (dB re 20 µPa) of a full-scale sine, from the microphone's
            nominal sensitivity: 120 dB for -26 dBFS at 94 dB.
        tau_s: Time weighting, `FAST_S` or `SLOW_S`.
    Raises:
        SettingsError: no weighting filter for this sample rate.
    """

    def __init__(self, sample_rate_hz: int, sens_db: float, tau_s: float = FAST_S) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.sens_db = sens_db
        # A full-scale sine has a mean square of 1/2.
        self._pressure_squared = 2 * 10 ** (sens_db / 10)
        self._weighting = WeightingFilter(sample_rate_hz)
        self._decay = math.exp(-1 / (sample_rate_hz * tau_s))
        self._detector = np.zeros(1)
        self._settled_at_n = round(SETTLING_TIME_CONSTANTS * tau_s * sample_rate_hz)
        self._rest = np.empty(0)
        self._done_n = 0

    def push(self, samples: NDArray[np.floating]) -> list[LevelSlot]:
        """Take the next samples, full scale = 1.0, and return the slots they complete."""
        held = np.concatenate((self._rest, samples))
        ends_n = self._whole_slot_ends_n(len(held))
        whole_n = ends_n[-1] if ends_n else 0
        # A copy, so that the block it comes from can go.
        self._rest = held[whole_n:].copy()
        return self._measure(held[:whole_n], ends_n) if ends_n else []

    def finish(self) -> list[LevelSlot]:
        """The slot of what is left at the end of the stream; empty when nothing is."""
        rest, self._rest = self._rest, np.empty(0)
        if len(rest) == 0:
            return []
        return [replace(slot, end_db=None) for slot in self._measure(rest, [len(rest)])]

    def _whole_slot_ends_n(self, held_n: int) -> list[int]:
        """Where the slots end that `held_n` samples complete, counted from the first of them."""
        # 44.1 kHz has 5512.5 samples in a slot: lengths alternate and don't drift.
        first = self._done_n * SLOTS_PER_S // self.sample_rate_hz + 1
        ends_n = []
        while (end_n := first * self.sample_rate_hz // SLOTS_PER_S - self._done_n) <= held_n:
            if end_n > 0:
                ends_n.append(end_n)
            first += 1
        return ends_n

    def _measure(self, samples: NDArray[np.float64], ends_n: list[int]) -> list[LevelSlot]:
        a_weighted, c_weighted = self._weighting.filter(samples)
        a_squared = self._pressure_squared * a_weighted**2
        detector = self._detect(a_squared)
        slots = []
        for begin_n, end_n in pairwise([0, *ends_n]):
            span = slice(begin_n, end_n)
            slots.append(
                self._slot(samples[span], a_squared[span], c_weighted[span], detector[span])
            )
        return slots

    def _slot(
        self,
        samples: NDArray[np.float64],
        a_squared: NDArray[np.float64],
        c_weighted: NDArray[np.float64],
        detector: NDArray[np.float64],
    ) -> LevelSlot:
        settled = self._done_n >= self._settled_at_n
        self._done_n += len(samples)
        lowest, highest = float(samples.min()), float(samples.max())
        overloaded = max(-lowest, highest) >= OVERLOAD_AT
        c_exposure = self._pressure_squared * float(np.sum(c_weighted**2)) / self.sample_rate_hz
        return LevelSlot(
            seconds=len(samples) / self.sample_rate_hz,
            exposure_a=float(np.sum(a_squared)) / self.sample_rate_hz,
            exposure_c=c_exposure,
            max_db=level_db(float(detector.max())),
            min_db=level_db(float(detector.min())) if settled else None,
            end_db=level_db(float(detector[-1])) if settled else None,
            overload_n=int(np.count_nonzero(np.abs(samples) >= OVERLOAD_AT)) if overloaded else 0,
            constant=lowest == highest,
        )

    def _detect(self, squared: NDArray[np.float64]) -> NDArray[np.float64]:
        """Exponentially time-weighted square of the pressure, one value a sample."""
        detector, self._detector = signal.lfilter(
            [1 - self._decay], [1, -self._decay], squared, zi=self._detector
        )
        return np.asarray(detector)


def level_db(pressure_squared: float) -> float:
    """Level of a squared pressure in (20 µPa)², in dB; minus infinity for none at all."""
    return 10 * math.log10(pressure_squared) if pressure_squared > 0 else -math.inf
