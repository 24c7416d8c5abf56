"""Made-up streets: autocorrelated, overdispersed, seasonal, with holes, and a known effect."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Array = NDArray[np.float64]


def ar1(rng: np.random.Generator, n: int, rho: float) -> Array:
    """AR(1) noise of variance 1."""
    steps = rng.normal(0, np.sqrt(1 - rho**2), n + 200)
    return np.asarray(signal.lfilter([1.0], [1.0, -rho], steps), dtype=np.float64)[200:]


def counts(rng: np.random.Generator, mean: Array, phi: float) -> Array:
    """Counts with variance phi x mean (gamma-Poisson)."""
    if phi > 1:
        mean = rng.gamma(mean / (phi - 1), phi - 1)
    return rng.poisson(mean).astype(np.float64)


def monthly(
    rng: np.random.Generator, n: int, start: int, *, base: float, rho: float, sd: float, phi: float,
    effect: float,
) -> Array:  # fmt: skip
    """Counts a month with a season of 30 %, a mild trend, AR(1) in the logarithm, and a step."""
    t = np.arange(n)
    log_mean = np.log(base) + 0.3 * np.sin(2 * np.pi * t / 12) + 0.002 * t
    log_mean = log_mean + sd * ar1(rng, n, rho) + effect * (t >= start)
    return counts(rng, np.exp(log_mean), phi)


def sites(
    rng: np.random.Generator, treated: int, control: int, times: int, start: int, *, effect: float,
    rho: float = 0.6, drift_sd: float = 0.02, missing: float = 0.0, phi: float = 3.0,
) -> Array:  # fmt: skip
    """(sites, times) counts: own levels, a common season and shocks, AR(1) and a drift a site.

    The treated come first; `effect` is theirs on the log scale from `start`. NaN where a week was
    not observed.
    """
    n = treated + control
    common = 0.3 * np.sin(2 * np.pi * np.arange(times) / 52) + 0.1 * ar1(rng, times, 0.5)
    level = rng.normal(np.log(200), 0.5, n)[:, None]
    own = np.stack([0.1 * ar1(rng, times, rho) for _ in range(n)])
    drift = rng.normal(0, drift_sd, n)[:, None] * np.linspace(0, 10, times)[None, :]
    log_mean = level + common + own + drift
    log_mean[:treated, start:] += effect
    y = counts(rng, np.exp(log_mean), phi)
    y[rng.random(y.shape) < missing] = np.nan
    return y


def factors(
    rng: np.random.Generator, donors: int, times: int, start: int, *, effect: float
) -> Array:
    """(1 + donors, times) outcomes from three shared AR(1) factors; the first site is treated."""
    shared = np.stack([ar1(rng, times, 0.7) for _ in range(3)])
    loading = rng.dirichlet(np.ones(3), donors + 1)
    y = 50 + 10 * loading @ shared + np.stack([ar1(rng, times, 0.3) for _ in range(donors + 1)])
    y[0, start:] += effect
    return np.asarray(y, dtype=np.float64)
