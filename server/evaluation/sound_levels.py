"""Averages of sound levels: as energy, always."""

import numpy as np

from server.evaluation.linear import Array


def energy_mean_db(levels_db: Array, weights: Array | None = None) -> float:
    """Energy average of sound levels in dB: 10 log10 mean 10^(L/10); NaN left out.

    ISO 1996-1:2016, 3.1.7. `weights` are the seconds each level stands for. Never the mean of dB.
    """
    keep = np.isfinite(levels_db)
    if not keep.any():
        return float("nan")
    weight = None if weights is None else weights[keep]
    return float(10 * np.log10(np.average(10 ** (levels_db[keep] / 10), weights=weight)))
