"""The lux sensor of a node: resolution, noise, ceiling, and the minutes that never arrived."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.lighting.sky import MINUTES_A_DAY


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A part by its datasheet."""

    name: str
    step_lx: float
    ceiling_lx: float
    noise: float
    """Relative, one sigma of a minute's median."""


SENSORS = (
    Sensor(name="opt3001", step_lx=0.01, ceiling_lx=83_865.0, noise=0.006),
    Sensor(name="veml7700", step_lx=0.0042, ceiling_lx=140_000.0, noise=0.008),
    Sensor(name="bh1750", step_lx=0.42, ceiling_lx=54_612.0, noise=0.01),
)


def read(
    rng: np.random.Generator, sensor: Sensor, true_lx: NDArray[np.float64]
) -> NDArray[np.float32]:
    """What the sensor says each minute (lx)."""
    noisy = true_lx * (1 + sensor.noise * rng.standard_normal(true_lx.size))
    whole = np.round(np.clip(noisy, 0, sensor.ceiling_lx) / sensor.step_lx)
    return (whole * sensor.step_lx).astype(np.float32)


def gaps(rng: np.random.Generator, n: int, *, rough: bool) -> NDArray[np.bool_]:
    """Minutes without a record: single ones, hours off the network, on rough nodes days."""
    missing = rng.random(n) < rng.uniform(0.0, 0.01)
    a_year = n / (365 * MINUTES_A_DAY)
    _knock_out(rng, missing, rng.poisson(12 * a_year), (10, 400))
    if rough:
        _knock_out(rng, missing, rng.poisson(30 * a_year), (60, 900))
        _knock_out(rng, missing, rng.poisson(3 * a_year), (MINUTES_A_DAY, 8 * MINUTES_A_DAY))
    return missing


def _knock_out(
    rng: np.random.Generator, missing: NDArray[np.bool_], n: int, span: tuple[int, int]
) -> None:
    for start in rng.integers(0, missing.size, n):
        missing[start : start + int(rng.integers(*span))] = True
