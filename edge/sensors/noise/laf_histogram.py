"""A histogram of the time-weighted level: percentiles don't merge, histograms do.

Kept in 0.1 dB classes, sent in the wire's 0.5 dB classes.
"""

import math

import numpy as np

from contract.records import LAF_CLASS_DB

CLASS_DB = 0.1
LOWEST_DB, HIGHEST_DB = -40.0, 200.0
_CLASSES_PER_WIRE_CLASS = round(LAF_CLASS_DB / CLASS_DB)


class LafHistogram:
    """How often the level lay in each 0.1 dB class from -40 to 200 dB; beyond goes to the ends."""

    def __init__(self) -> None:
        self._counts = np.zeros(round((HIGHEST_DB - LOWEST_DB) / CLASS_DB), dtype=np.int64)

    def add(self, level: float) -> None:
        """Count one level in dB; minus infinity goes to the lowest class."""
        bounded = min(max(level, LOWEST_DB), HIGHEST_DB)
        # The tiny shift keeps a level that stands on an edge (40.3) in the class it begins.
        index = math.floor((bounded - LOWEST_DB) / CLASS_DB + 1e-6)
        self._counts[min(index, len(self._counts) - 1)] += 1

    def merge(self, other: "LafHistogram") -> None:
        """Add the other's counts to this one."""
        self._counts += other._counts

    @property
    def total_n(self) -> int:
        """How many levels were counted."""
        return int(self._counts.sum())

    def exceeded_db(self, share: float) -> float | None:
        """The level exceeded for `share` (0 to 1) of the time; None without any level.

        None as well where it lies in the lowest class: that is digital silence, not a level.

        The middle of its class, so within 0.05 dB of the percentile of the levels themselves.
        """
        total = self.total_n
        if total == 0:
            return None
        # At least one level lies at or below what the highest share exceeds.
        below = max((1 - share) * total, 1)
        index = int(np.searchsorted(np.cumsum(self._counts), below))
        return round(LOWEST_DB + (index + 0.5) * CLASS_DB, 2) if index else None

    def wire_classes(self) -> list[tuple[int, int]]:
        """Sparse (class, count) of the wire's classes, ascending; class k begins at k x 0.5 dB."""
        counts = self._counts.reshape(-1, _CLASSES_PER_WIRE_CLASS).sum(axis=1)
        lowest = round(LOWEST_DB / LAF_CLASS_DB)
        return [(int(index) + lowest, int(counts[index])) for index in np.flatnonzero(counts)]
