"""Sound for the tests, and the meter that measures it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from edge.sensors.noise.level_meter import LevelMeter
from edge.sensors.noise.stats import NoiseStats

Samples = NDArray[np.float64]
Measure = Callable[..., NoiseStats]
WriteWav = Callable[..., Path]


@pytest.fixture
def measure() -> Measure:
    """Measure samples whole, in blocks of `block_n`; full-scale sine = 120 dB."""

    def run(samples: Samples, sample_rate_hz: int = 48_000, block_n: int = 48_000) -> NoiseStats:
        meter, stats = LevelMeter(sample_rate_hz, 120.0), NoiseStats()
        for begin in range(0, len(samples), block_n):
            for slot in meter.push(samples[begin : begin + block_n]):
                stats.add(slot)
        for slot in meter.finish():
            stats.add(slot)
        return stats

    return run


@pytest.fixture
def write_wav(tmp_path: Path) -> WriteWav:
    """Write a WAV with scipy's writer, which is not the reader under test."""

    def run(samples: NDArray[Any], sample_rate_hz: int = 48_000) -> Path:
        path = tmp_path / "sound.wav"
        wavfile.write(path, sample_rate_hz, samples)
        return path

    return run
