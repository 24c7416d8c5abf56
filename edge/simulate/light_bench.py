"""A calibration bench for an emulated lux sensor: a lamp that is set to a level, or a cover."""

from dataclasses import dataclass


@dataclass
class LightBench:
    """Light on the dome: call it with UTC seconds to get lux, as a street's profile is called.

    Args:
        lux: What the reference meter beside the sensor shows; 0 under the cover.
    """

    lux: float = 0.0

    def __call__(self, utc_s: float) -> float:
        """Illuminance in lux, the same at all times."""
        return self.lux
