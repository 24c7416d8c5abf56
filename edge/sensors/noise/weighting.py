"""Frequency weighting A and C as digital filters, for a stream of samples.

The design goal is the pole-zero form of IEC 61672-1 (annex E). The bilinear transform bends it
near the top (-6 dB at 16 kHz and 48 kHz sampling), so the poles are matched (z = exp(p / fs)),
the zeros at 0 Hz go to z = 1, and three further zeros per sample rate are fitted to the goal
(`benchmarks/noise.py --fit` prints them again). A is C followed by one more section, so one
filter bank gives both. The filters are inside class 1; the instrument as a whole is unclassified,
because microphone, windscreen and case are part of a class.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from edge.errors import SettingsError

Curve = Literal["A", "C"]

# Pole frequencies of IEC 61672-1, annex E: two at F1 and F4, one each at F2 and F3 (A only).
F1_HZ, F2_HZ, F3_HZ, F4_HZ = 20.598997, 107.65265, 737.86223, 12194.217

# Fitted zeros (one real, one conjugate pair) by sample rate. Largest distance from the design
# goal: 0.03 dB to 20 kHz at 48 kHz, 0.09 dB to 20 kHz at 44.1 kHz, 0.2 dB to 15 kHz at 32 kHz.
# Lower rates (within 0.17 dB to 0.475 x the rate) are for `msl-node level`: what a file of 16 kHz
# holds is weighted right, but street sound has more above 8 kHz.
FITTED_ZEROS: dict[int, tuple[complex, ...]] = {
    8_000: (-0.23336, 0.09391 + 0.14846j, 0.09391 - 0.14846j),
    11_025: (-0.28467, 0.10339 + 0.17326j, 0.10339 - 0.17326j),
    16_000: (-0.35013, 0.1084 + 0.19651j, 0.1084 - 0.19651j),
    22_050: (-0.39853, 0.10353 + 0.19945j, 0.10353 - 0.19945j),
    24_000: (-0.4103, 0.10184 + 0.1999j, 0.10184 - 0.1999j),
    32_000: (-0.44458, 0.09577 + 0.20024j, 0.09577 - 0.20024j),
    44_100: (-0.42684, 0.06957 + 0.15902j, 0.06957 - 0.15902j),
    48_000: (-0.39445, 0.05274 + 0.12548j, 0.05274 - 0.12548j),
    88_200: (-0.33099, 0.01891 + 0.05508j, 0.01891 - 0.05508j),
    96_000: (-0.32896, 0.01761 + 0.05234j, 0.01761 - 0.05234j),
    192_000: (-0.3226, 0.01303 + 0.0426j, 0.01303 - 0.0426j),
}


def design_goal_db(frequency_hz: ArrayLike, curve: Curve) -> NDArray[np.float64]:
    """Weighting in dB at each frequency, 0 dB at 1 kHz (IEC 61672-1, annex E, E.2 to E.6).

    Args:
        frequency_hz: Frequencies above 0 Hz, any shape.
        curve: "A" or "C".
    """
    frequency_hz = np.asarray(frequency_hz, dtype=np.float64)
    return _level_db(frequency_hz, curve) - _level_db(np.array(1000.0), curve)


def _level_db(frequency_hz: NDArray[np.float64], curve: Curve) -> NDArray[np.float64]:
    squared = frequency_hz**2
    gain = F4_HZ**2 * squared / ((squared + F1_HZ**2) * (squared + F4_HZ**2))
    if curve == "A":
        gain = gain * squared / np.sqrt((squared + F2_HZ**2) * (squared + F3_HZ**2))
    return np.asarray(20 * np.log10(gain))


def c_sections(sample_rate_hz: int, zeros: Sequence[complex] | None = None) -> NDArray[np.float64]:
    """C weighting as second-order sections, (3, 6), 0 dB at 1 kHz.

    Args:
        sample_rate_hz: One of `FITTED_ZEROS`, unless `zeros` are given.
        zeros: The fitted zeros to use (the real one first); for the fit itself.
    Raises:
        SettingsError: no filter has been fitted for this sample rate.
    """
    single, *pair = _fitted_zeros(sample_rate_hz) if zeros is None else zeros
    return np.array(
        [
            _section((1.0, 1.0), (F1_HZ, F1_HZ), sample_rate_hz),
            _section(pair, (F4_HZ, F4_HZ), sample_rate_hz),
            _section((single,), (), sample_rate_hz),
        ]
    )


def c_to_a_section(sample_rate_hz: int) -> NDArray[np.float64]:
    """What makes A out of C: one section with the poles F2 and F3, (1, 6), 0 dB at 1 kHz."""
    return _section((1.0, 1.0), (F2_HZ, F3_HZ), sample_rate_hz).reshape(1, 6)


def _fitted_zeros(sample_rate_hz: int) -> tuple[complex, ...]:
    if sample_rate_hz not in FITTED_ZEROS:
        known = ", ".join(str(rate) for rate in sorted(FITTED_ZEROS))
        raise SettingsError(
            f"no frequency weighting for {sample_rate_hz} samples a second; resample to one of"
            f" {known}"
        )
    return FITTED_ZEROS[sample_rate_hz]


def _section(
    zeros: Sequence[complex], poles_hz: Sequence[float], sample_rate_hz: int
) -> NDArray[np.float64]:
    """b0 b1 b2 1 a1 a2 with at most two zeros and poles, scaled to a gain of 1 at 1 kHz."""
    b, a = np.zeros(3), np.zeros(3)
    b[: len(zeros) + 1] = np.real(np.poly(np.asarray(zeros)))
    a[: len(poles_hz) + 1] = np.poly(np.exp(-2 * np.pi * np.asarray(poles_hz) / sample_rate_hz))
    delays = np.exp(-2j * np.pi * 1000 / sample_rate_hz * np.arange(3))
    return np.concatenate((b / abs((b @ delays) / (a @ delays)), a))


class WeightingFilter:
    """C- and A-weighted samples of one stream; keeps its state, so block size doesn't matter.

    The first sample is taken as having always been there: a microphone's constant offset gives
    no step through the 20 Hz poles, which would otherwise ring for two seconds.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._c_sos = c_sections(sample_rate_hz)
        self._a_sos = c_to_a_section(sample_rate_hz)
        self._c_state: NDArray[np.float64] | None = None
        # C lets no constant pass, so its output starts from rest.
        self._a_state = np.zeros((1, 2))

    def filter(
        self, samples: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(A-weighted, C-weighted) samples, both as long as `samples`."""
        if self._c_state is None:
            self._c_state = signal.sosfilt_zi(self._c_sos) * samples[0]
        c_weighted, self._c_state = signal.sosfilt(self._c_sos, samples, zi=self._c_state)
        a_weighted, self._a_state = signal.sosfilt(self._a_sos, c_weighted, zi=self._a_state)
        return a_weighted, c_weighted
