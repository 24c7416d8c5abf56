"""One window of light: samples in, the fields of a light record out.

Percentiles by time and not a mean, so that a passing headlight doesn't become street lighting.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contract.flags import Flag
from edge.sensors.light.lux_sample import LuxSample


@dataclass
class LightStats:
    """The samples of one window.

    Args:
        sensor: The part's name.
    """

    sensor: str
    _lux: list[float] = field(default_factory=list)
    _seconds: list[float] = field(default_factory=list)
    _full_scale_lx: float = 0.0
    _integration_ms: float = 0.0
    _saturated: bool = False
    _near_floor_s: float = 0.0

    def add(self, sample: LuxSample, seconds: float) -> None:
        """Take one sample that stands for `seconds` (above 0) of the window."""
        if seconds <= 0:
            raise ValueError(f"a sample stands for {seconds} s; give the time it took")
        self._lux.append(sample.lux)
        self._seconds.append(seconds)
        self._full_scale_lx = max(self._full_scale_lx, sample.full_scale_lx)
        self._integration_ms = max(self._integration_ms, sample.integration_ms)
        self._saturated |= sample.saturated
        self._near_floor_s += seconds if sample.near_floor else 0.0

    def record_fields(self) -> dict[str, Any]:
        """The fields of a `LightRecord` but `seq`, `t` and `dur_s`.

        Without a sample the levels are None and `valid_s` is 0: nothing is known, not darkness.
        """
        if not self._lux:
            return {
                **dict.fromkeys(("lux_p10", "lux_p50", "lux_p90", "lux_max")),
                "sensor": self.sensor,
                "valid_s": 0.0,
                "flags": [],
            }
        p10, p50, p90 = time_percentiles(self._lux, self._seconds, (0.1, 0.5, 0.9))
        return {
            "lux_p10": round(p10, 4),
            "lux_p50": round(p50, 4),
            "lux_p90": round(p90, 4),
            "lux_max": round(max(self._lux), 4),
            "sensor": self.sensor,
            "full_scale_lx": round(self._full_scale_lx, 2),
            "integration_ms": self._integration_ms,
            "samples_n": len(self._lux),
            "valid_s": round(sum(self._seconds), 3),
            "flags": self._flags(),
        }

    def _flags(self) -> list[Flag]:
        flags = []
        if self._saturated:
            flags.append(Flag.SATURATED)
        # The median is what is used: it is near the floor when half of the time was.
        if self._near_floor_s >= sum(self._seconds) / 2:
            flags.append(Flag.NEAR_FLOOR)
        return flags


def time_percentiles(
    values: Sequence[float], seconds: Sequence[float], shares: Sequence[float]
) -> list[float]:
    """Values not exceeded for each share (0 to 1) of the time, linear between samples.

    Each value stands at the middle of its own share of time; beyond the first and last middle the
    smallest and largest value hold.
    """
    order = np.argsort(values, kind="stable")
    weights = np.asarray(seconds, dtype=np.float64)[order]
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    return [float(value) for value in np.interp(shares, middles, np.asarray(values)[order])]
