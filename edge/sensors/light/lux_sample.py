"""One reading of a light sensor, and what every light sensor offers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LuxSample:
    """Illuminance over one integration of at least 100 ms.

    Args:
        lux: By the part's nominal sensitivity, not corrected; 0.0 is "less than one count".
        saturated: The part was at the top of its last range: `lux` is a lower bound.
        near_floor: The part's dark counts are more than a tenth of the reading.
        full_scale_lx: Top of the range that was used.
        integration_ms: Nominal length of the integration.
    """

    lux: float
    saturated: bool
    near_floor: bool
    full_scale_lx: float
    integration_ms: float


class LightSensor(Protocol):
    """A lux sensor."""

    @property
    def name(self) -> str:
        """The part, as the record's `sensor`: "opt3001"."""

    def read(self) -> LuxSample:
        """Measure once, taking the time it takes on the sensor's clock.

        Raises:
            BusError: the part did not answer; nothing is known about the light.
            SensorError: it answered, but not as this part does.
        """


def near_floor(lux: float, dark_lx: float) -> bool:
    """Whether an offset of `dark_lx`, the datasheet's dark counts, is over a tenth of `lux`."""
    return lux < 10 * dark_lx
