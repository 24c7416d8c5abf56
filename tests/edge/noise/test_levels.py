"""Levels against theory and against computations that share nothing with the meter."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.sensors.noise.level_meter import FAST_S, SLOW_S, LevelMeter
from edge.sensors.noise.stats import NoiseStats
from edge.sensors.noise.weighting import Curve, design_goal_db

Samples = NDArray[np.float64]
Measure = Callable[..., NoiseStats]
FS_HZ = 48_000


def sine(frequency_hz: float, seconds: float, amplitude: float, rate_hz: int = FS_HZ) -> Samples:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.asarray(amplitude * np.sin(2 * np.pi * frequency_hz * time_s))


def white(seconds: float, rms: float, seed: int = 1) -> Samples:
    return rms * np.random.default_rng(seed).standard_normal(round(seconds * FS_HZ))


def pink(seconds: float, rms: float, seed: int = 2) -> Samples:
    """Noise shaped in the frequency domain to exactly -3 dB an octave from 10 Hz."""
    spectrum = np.fft.rfft(white(seconds, 1.0, seed))
    frequency_hz = np.fft.rfftfreq(round(seconds * FS_HZ), 1 / FS_HZ)
    spectrum /= np.sqrt(np.maximum(frequency_hz, 10.0))
    shaped = np.fft.irfft(spectrum)
    return np.asarray(rms * shaped / np.std(shaped))


def level_by_fft(samples: Samples, curve: Curve, sens_db: float = 120.0) -> float:
    """Equivalent level by Parseval: the power spectrum times the analytic weighting."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    power[1:-1] *= 2
    frequency_hz = np.fft.rfftfreq(len(samples), 1 / FS_HZ)
    weight = np.zeros(len(power))
    weight[1:] = 10 ** (design_goal_db(frequency_hz[1:], curve) / 10)
    mean_square = float(np.sum(power * weight)) / len(samples) ** 2
    return sens_db + 10 * math.log10(2 * mean_square)


def test_calibrator_of_94_db_reads_94_db(measure: Measure) -> None:
    stats = measure(sine(1000, 10, 10 ** ((94 - 120) / 20)))
    levels = stats.levels()
    for name in ("laeq", "lceq", "lafmax", "la10", "la50", "la90", "lafmin"):
        assert levels[name] == pytest.approx(94.0, abs=0.06), name
    assert levels["laeq"] == pytest.approx(94.0, abs=0.01)


@pytest.mark.parametrize("sample_rate_hz", [32_000, 44_100, 48_000, 96_000])
def test_calibrator_reads_the_same_at_every_sample_rate(
    measure: Measure, sample_rate_hz: int
) -> None:
    stats = measure(sine(1000, 5, 0.05, sample_rate_hz), sample_rate_hz)
    assert stats.levels()["laeq"] == pytest.approx(120 + 20 * np.log10(0.05), abs=0.01)
    assert stats.seconds == pytest.approx(5.0)
    assert stats.histogram.total_n == 5 * 8 - 8


@pytest.mark.parametrize("burst_ms", [1000, 500, 200, 100, 50, 20, 10, 5])
def test_tone_burst_reaches_its_theoretical_lafmax(measure: Measure, burst_ms: int) -> None:
    """IEC 61672-1, 5.9: a 4 kHz burst reads 10 lg(1 - e^(-T/tau)) below the steady tone."""
    samples = np.zeros(3 * FS_HZ)
    burst = sine(4000, burst_ms / 1000, 0.1)
    samples[FS_HZ : FS_HZ + len(burst)] = burst
    steady_db = 100.0 + float(design_goal_db(4000.0, "A"))
    theory_db = steady_db + 10 * np.log10(1 - np.exp(-burst_ms / 1000 / FAST_S))
    assert measure(samples).max_db == pytest.approx(theory_db, abs=0.1)


@pytest.mark.parametrize(("tau_s", "decay_db_per_s"), [(FAST_S, 34.74), (SLOW_S, 4.343)])
def test_level_falls_at_the_rate_of_its_time_weighting(tau_s: float, decay_db_per_s: float) -> None:
    samples = np.concatenate((sine(1000, 9, 0.1), np.zeros(2 * FS_HZ)))
    ends = [slot.end_db for slot in LevelMeter(FS_HZ, 120.0, tau_s).push(samples)]
    after, later = ends[73], ends[81]
    assert after is not None
    assert later is not None
    assert after - later == pytest.approx(decay_db_per_s, rel=0.001)


@pytest.mark.parametrize("make", [white, pink], ids=["white", "pink"])
@pytest.mark.parametrize("curve", ["A", "C"])
def test_equivalent_level_of_noise_is_that_of_its_spectrum(
    measure: Measure, make: Callable[[float, float], Samples], curve: Curve
) -> None:
    samples = make(30.0, 0.02)
    level = measure(samples).levels()["laeq" if curve == "A" else "lceq"]
    assert level == pytest.approx(level_by_fft(samples, curve), abs=0.05)


@pytest.mark.parametrize("sample_rate_hz", [48_000, 44_100])
@pytest.mark.parametrize("block_n", [1, 37, 6000, 5512, 100_000])
def test_any_block_size_gives_the_same_record(
    measure: Measure, block_n: int, sample_rate_hz: int
) -> None:
    samples = white(1.6 if block_n == 1 else 4.0, 0.02)
    whole = measure(samples, sample_rate_hz, len(samples))
    parts = measure(samples, sample_rate_hz, block_n)
    assert parts.record_fields() == whole.record_fields()
    assert parts.exposure_a == pytest.approx(whole.exposure_a, rel=1e-12)


def test_sixty_minutes_merge_to_the_hour(measure: Measure) -> None:
    # Minutes of very different level; 6 s each stand for them, what counts is the merging.
    levels_db = np.random.default_rng(5).uniform(40, 90, 60)
    minutes = [white(6, 10 ** ((level - 120) / 20), seed) for seed, level in enumerate(levels_db)]
    hour = measure(np.concatenate(minutes))
    meter, merged, energies = LevelMeter(FS_HZ, 120.0), NoiseStats(), []
    for samples in minutes:
        minute = NoiseStats()
        for slot in meter.push(samples):
            minute.add(slot)
        merged.merge(minute)
        record = minute.record_fields()
        energies.append(record["valid_s"] * 10 ** (record["laeq"] / 10) if record["laeq"] else 0)
    assert merged.record_fields() == hour.record_fields()
    from_records = 10 * np.log10(sum(energies) / 360)
    assert from_records == pytest.approx(hour.levels()["laeq"], abs=0.01)


def test_percentiles_are_those_of_laf_each_125_ms(measure: Measure) -> None:
    loud_quiet = np.concatenate([white(2, 0.05 if turn % 3 else 0.005, turn) for turn in range(12)])
    ends = [slot.end_db for slot in LevelMeter(FS_HZ, 120.0).push(loud_quiet)]
    settled = [level for level in ends if level is not None]
    levels = measure(loud_quiet).levels()
    for name, exceeded in (("la10", 10), ("la50", 50), ("la90", 90)):
        exact = np.percentile(settled, 100 - exceeded, method="inverted_cdf")
        assert levels[name] == pytest.approx(exact, abs=0.051)


def test_start_of_the_stream_is_not_the_quietest_moment(measure: Measure) -> None:
    levels = measure(white(10, 0.02)).levels()
    assert levels["lafmin"] is not None
    assert levels["laeq"] is not None
    assert levels["laeq"] - levels["lafmin"] < 1.0


def test_offset_of_the_microphone_does_not_count(measure: Measure) -> None:
    sound = white(5, 0.001)
    levels, shifted = measure(sound).levels(), measure(sound + 0.1).levels()
    assert shifted["laeq"] == pytest.approx(levels["laeq"], abs=0.01)
    assert shifted["lafmax"] == pytest.approx(levels["lafmax"], abs=0.05)


def test_overload_counts_samples_within_1_db_of_full_scale(measure: Measure) -> None:
    samples = white(2, 0.01)
    samples[1000:1007] = (0.9, -0.9, 0.89, 1.0, -1.0, 0.88, 0.892)
    # -1 dB is 0.8913.
    assert measure(samples).overload_n == 5
