"""The health probe: everything that the node can say about itself, for one health record."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.sensors.health import board
from edge.sensors.health.clock_state import clock_state
from edge.sensors.health.link import read_link
from edge.sensors.health.reading import Reading


@dataclass(frozen=True)
class Health:
    """One look at the node.

    Args:
        readings: By the field's name in a `HealthRecord`.
    """

    readings: dict[str, Reading[Any]]

    def record_fields(self) -> dict[str, Any]:
        """Fields of a `HealthRecord`; None for what the board can't say."""
        return {name: reading.value for name, reading in self.readings.items()}

    def reasons(self) -> dict[str, str]:
        """Why a field is None, by its name."""
        return {
            name: reading.reason
            for name, reading in self.readings.items()
            if reading.reason is not None
        }


@dataclass
class HealthProbe:
    """Reads the node's own state.

    Args:
        clock: The node's clock.
        data_folder: Where the spool lies; its disk is the one that fills.
        pin_factory: gpiozero's; None for the machine's own, made when first needed.
    """

    clock: Clock
    data_folder: Path
    pin_factory: Any = None
    thermal_file: Path = field(default=board.THERMAL_FILE)

    def read(self) -> Health:
        """Look once; takes up to some seconds when system programs hang, and raises nothing."""
        clock, link = clock_state(), read_link()
        return Health(
            {
                "uptime_s": Reading(round(self.clock.boot_s(), 1)),
                "cpu_c": board.cpu_temperature_c(self.pin_factory, self.thermal_file),
                "load_1min": board.load_1min(),
                "throttled_bits": board.throttled_bits(),
                "memory_free_bytes": board.memory_free_bytes(),
                "disk_free_bytes": board.disk_free_bytes(self.data_folder),
                "clock_synced": Reading(self.clock.synced()),
                "clock_offset_ms": clock.offset_ms,
                "clock_source": clock.source,
                "link": link.kind,
                "link_rssi_dbm": link.rssi_dbm,
            }
        )
