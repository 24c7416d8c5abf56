"""How true and how fast the level meter is: python -m benchmarks.noise [--json] [--fit].

Prints the figures that docs/accuracy.md quotes. Theory and the FFT share no code with the meter.
`--fit` computes the fitted zeros of `edge/sensors/noise/weighting.py` afresh.
"""

import argparse
import json
import math
import platform
import time

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, signal

from edge.sensors.noise.level_meter import FAST_S, LevelMeter
from edge.sensors.noise.stats import NoiseStats
from edge.sensors.noise.weighting import (
    FITTED_ZEROS,
    Curve,
    c_sections,
    c_to_a_section,
    design_goal_db,
)

Samples = NDArray[np.float64]
FS_HZ = 48_000
BURSTS_MS = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)


def weighting_error_db(sample_rate_hz: int, curve: Curve, top_hz: float) -> float:
    """Largest distance from the design goal between 20 Hz and `top_hz`."""
    sections = c_sections(sample_rate_hz)
    if curve == "A":
        sections = np.vstack((sections, c_to_a_section(sample_rate_hz)))
    at_hz = np.geomspace(20, top_hz, 4000)
    response = np.abs(signal.freqz_sos(sections, at_hz, fs=sample_rate_hz)[1])
    return float(np.max(np.abs(20 * np.log10(response) - design_goal_db(at_hz, curve))))


def stats_of(samples: Samples, block_n: int = FS_HZ // 8) -> NoiseStats:
    """The meter's statistics of samples, full-scale sine = 120 dB."""
    meter, stats = LevelMeter(FS_HZ, 120.0), NoiseStats()
    for begin in range(0, len(samples), block_n):
        for slot in meter.push(samples[begin : begin + block_n]):
            stats.add(slot)
    for slot in meter.finish():
        stats.add(slot)
    return stats


def burst_error_db(burst_ms: float) -> float:
    """LAFmax of a 4 kHz tone burst minus 10 lg(1 - e^(-T/tau))."""
    time_s = np.arange(round(burst_ms * FS_HZ / 1000)) / FS_HZ
    samples = np.zeros(3 * FS_HZ)
    samples[FS_HZ : FS_HZ + len(time_s)] = 0.1 * np.sin(2 * np.pi * 4000 * time_s)
    steady_db = 100 + float(design_goal_db(4000.0, "A"))
    theory_db = steady_db + 10 * math.log10(1 - math.exp(-burst_ms / 1000 / FAST_S))
    return stats_of(samples).max_db - theory_db


def white(seconds: float) -> Samples:
    """White noise at -34 dB of full scale."""
    return 0.02 * np.random.default_rng(1).standard_normal(round(seconds * FS_HZ))


def pink(seconds: float) -> Samples:
    """Noise shaped to exactly -3 dB an octave from 10 Hz."""
    spectrum = np.fft.rfft(white(seconds))
    frequency_hz = np.fft.rfftfreq(round(seconds * FS_HZ), 1 / FS_HZ)
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency_hz, 10.0)))
    return np.asarray(0.02 * shaped / np.std(shaped))


def noise_error_db(samples: Samples, curve: Curve) -> float:
    """LAeq or LCeq minus the level of the power spectrum times the analytic weighting."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    power[1:-1] *= 2
    weight = np.zeros(len(power))
    frequency_hz = np.fft.rfftfreq(len(samples), 1 / FS_HZ)
    weight[1:] = 10 ** (design_goal_db(frequency_hz[1:], curve) / 10)
    by_fft_db = 120 + 10 * math.log10(2 * float(np.sum(power * weight)) / len(samples) ** 2)
    measured = stats_of(samples).levels()["laeq" if curve == "A" else "lceq"]
    assert measured is not None
    return measured - by_fft_db


def merge_error_db() -> float:
    """Hour from 60 records as sent, minus the hour measured whole (6 s stand for a minute)."""
    levels_db = np.random.default_rng(5).uniform(35, 95, 60)
    sound = white(6)
    meter, hour, energy, seconds = LevelMeter(FS_HZ, 120.0), NoiseStats(), 0.0, 0.0
    for level_db in levels_db:
        minute = NoiseStats()
        for slot in meter.push(sound * 10 ** ((level_db - 86) / 20)):
            minute.add(slot)
        hour.merge(minute)
        record = minute.record_fields()
        if record["laeq"] is not None:
            energy += record["valid_s"] * 10 ** (record["laeq"] / 10)
            seconds += record["valid_s"]
    whole = hour.levels()["laeq"]
    assert whole is not None
    return 10 * math.log10(energy / seconds) - whole


def times_real_time(block_n: int, seconds: float = 60.0) -> float:
    """Seconds of sound measured in one second of processor time."""
    samples = white(seconds)
    begin_s = time.process_time()
    stats_of(samples, block_n)
    return seconds / (time.process_time() - begin_s)


def fitted_zeros(sample_rate_hz: int) -> tuple[complex, ...]:
    """One real zero and a pair that bring C (and so A) closest to the goal, to 95 % of Nyquist."""
    at_hz = np.geomspace(20, min(20_000, 0.475 * sample_rate_hz + 400), 800)
    goal_db = design_goal_db(at_hz, "C")

    def error_db(shape: NDArray[np.float64]) -> NDArray[np.float64]:
        single, real, imaginary = shape
        zeros = (single, complex(real, imaginary), complex(real, -imaginary))
        sections = c_sections(sample_rate_hz, zeros)
        response = np.abs(signal.freqz_sos(sections, at_hz, fs=sample_rate_hz)[1])
        return np.asarray(20 * np.log10(response) - goal_db)

    def distance(shape: NDArray[np.float64], power: float) -> float:
        return float(np.sum((error_db(shape) / 0.05) ** power) ** (1 / power))

    shape = np.array([-0.4, 0.05, 0.12])
    for power in (2, 10):  # least squares first, then close to the least maximum
        shape = optimize.minimize(
            distance,
            shape,
            (power,),
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 5000},
        ).x
    single, real, imaginary = (round(float(value), 5) for value in shape)
    return single, complex(real, imaginary), complex(real, -imaginary)


def figures() -> dict[str, float]:
    """Every figure by its name; dB unless the name says otherwise."""
    tops_hz = {16_000: 7_600, 32_000: 15_000, 44_100: 16_000, 48_000: 16_000, 96_000: 20_000}
    weighting = {
        f"weighting {curve} at {rate} Hz, 20 Hz to {top} Hz: largest error": weighting_error_db(
            rate, curve, top
        )
        for rate, top in tops_hz.items()
        for curve in ("A", "C")
    }
    bursts = {f"LAFmax of a {ms} ms burst: error": burst_error_db(ms) for ms in BURSTS_MS}
    noise = {
        f"L{curve}eq of {name} noise, 60 s: error": noise_error_db(make(60), curve)
        for name, make in (("white", white), ("pink", pink))
        for curve in ("A", "C")
    }
    return {
        **weighting,
        **bursts,
        **noise,
        "LAeq of an hour from 60 records: error": merge_error_db(),
        "speed in blocks of 125 ms, x real time": times_real_time(FS_HZ // 8),
        "speed in blocks of 1 s, x real time": times_real_time(FS_HZ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How true and how fast the level meter is.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--fit", action="store_true", help="fit the filters' zeros afresh")
    arguments = parser.parse_args()
    if arguments.fit:
        for sample_rate_hz in sorted(FITTED_ZEROS):
            print(sample_rate_hz, fitted_zeros(sample_rate_hz))
        return
    found = figures()
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in found.items()}))
        return
    print(f"on one core of {platform.machine()}")
    for name, value in found.items():
        print(f"{name:64} {value:9.3f}" if "speed" not in name else f"{name:64} {value:9.0f}")


if __name__ == "__main__":
    main()
