"""The node's own health: one record a window, null for what this board can't say."""

import contextlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from edge.clock import Clock, kernel_clock_synced
from edge.sensor_states import OK, SensorStates
from edge.sensors.health.clock_state import clock_state
from edge.spool import Spool

DAY_S = 86_400
# Before this long a rate of records is mostly the noise of the start.
RATE_AFTER_S = 600.0
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
WIRELESS = Path("/proc/net/wireless")


@dataclass
class HealthSource:
    """What health records are made from.

    Args:
        link: State of the uplink.
        pir_share: Share of the time since the last call with movement; None without the sensor.
        clock_trusted: Another machine keeps this one's clock (`trust_clock = "always"`).
    """

    spool: Spool
    states: SensorStates
    clock: Clock
    link: Callable[[], str]
    pir_share: Callable[[], float | None] = lambda: None
    clock_trusted: bool = False
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.clock.boot_s()

    def fields(self) -> dict[str, Any]:
        """The fields of a `HealthRecord` but `seq`, `t`, `dur_s`, `valid_s`, `flags`."""
        depth = self.spool.depth()
        clock = clock_state()
        self._note_clock(clock.source.reason)
        now_ms = self.clock.utc_s() * 1000
        oldest_ms = depth.oldest_made_ms
        return {
            "uptime_s": round(self.clock.boot_s(), 1),
            "cpu_c": cpu_c(),
            "load_1min": round(os.getloadavg()[0], 2),
            "throttled_bits": throttled_bits(),
            "memory_free_bytes": psutil.virtual_memory().available,
            "disk_free_bytes": disk_free_bytes(self.spool.path.parent),
            "spool_records_n": depth.records_n,
            "spool_oldest_s": 0.0
            if oldest_ms is None
            else round(max(0.0, now_ms - oldest_ms) / 1000, 1),
            "spool_days_left": self._days_left(depth.used_bytes),
            "clock_synced": kernel_clock_synced(),
            "clock_offset_ms": clock.offset_ms.value,
            "clock_source": clock.source.value,
            "link": self.link(),
            "link_rssi_dbm": link_rssi_dbm(),
            "pir_share": self.pir_share(),
            "sensors": self.states.snapshot(),
        }

    def _note_clock(self, why_no_source: str | None) -> None:
        """The clock as a sensor state: what nothing disciplines runs on, and says since when."""
        if kernel_clock_synced():
            self.states.set("clock", OK)
        elif self.clock_trusted:
            self.states.set("clock", OK, "another machine keeps it, by trust_clock")
        elif self.clock.synced():
            self.states.set("clock", "clock_holdover", why_no_source)
        else:
            self.states.set("clock", "clock_unsynced", why_no_source)

    def _days_left(self, used_bytes: int) -> float | None:
        """How long the spool lasts without a server, at the rate of this run so far."""
        ran_s = self.clock.boot_s() - self._began_s
        if ran_s < RATE_AFTER_S or not self.spool.made_bytes:
            return None
        bytes_per_day = self.spool.made_bytes / ran_s * DAY_S
        left_bytes = max(0, self.spool.limit_bytes - used_bytes)
        return round(min(1e6, left_bytes / bytes_per_day), 1)


class HealthStats:
    """One window of health: how long the agent was there, and how things stood at its end."""

    def __init__(self, source: HealthSource) -> None:
        self._source = source
        self._valid_s = 0.0

    def add(self, data: None, seconds: float) -> None:
        self._valid_s += seconds

    def record_fields(self) -> dict[str, Any]:
        return {**self._source.fields(), "valid_s": round(self._valid_s, 3), "flags": []}


def cpu_c() -> float | None:
    """Temperature of the first thermal zone."""
    with contextlib.suppress(OSError, ValueError):
        return round(int(THERMAL.read_text()) / 1000, 1)
    return None


def throttled_bits() -> int | None:
    """`vcgencmd get_throttled`: bit 0 under-voltage now, bit 16 since boot, and so on."""
    try:
        said = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=True
        ).stdout
        return int(said.strip().removeprefix("throttled="), 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def disk_free_bytes(folder: Path) -> int | None:
    """Space that the node may still write to."""
    with contextlib.suppress(OSError):
        return psutil.disk_usage(str(folder)).free
    return None


def link_rssi_dbm() -> float | None:
    """Signal level of the first wireless interface; null for a cable."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        level = float(WIRELESS.read_text().splitlines()[2].split()[3].rstrip("."))
        return level if -200 <= level <= 0 else None
    return None
