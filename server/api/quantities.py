"""What each stream's columns mean: unit, words, and which calibration corrects them."""

from dataclasses import dataclass
from typing import Literal

from contract.streams import Stream

Correction = Literal["light", "noise"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One column of a stream; `correction` names the calibration that applies to it."""

    name: str
    unit: str
    meaning: str
    correction: Correction | None = None


def _light(name: str, meaning: str) -> Quantity:
    return Quantity(name, "lx", meaning, "light")


def _level(name: str, meaning: str) -> Quantity:
    return Quantity(name, "dB", meaning, "noise")


# The first of each stream is the one to show when there is room for one.
QUANTITIES: dict[Stream, tuple[Quantity, ...]] = {
    Stream.LIGHT: (
        _light("lux_p50", "median illuminance of the window"),
        _light("lux_p10", "illuminance exceeded for 90 % of the window"),
        _light("lux_p90", "illuminance exceeded for 10 % of the window"),
        _light("lux_max", "highest illuminance of the window"),
    ),
    Stream.NOISE: (
        _level("laeq", "A-weighted equivalent level, averaged as energy"),
        _level("lafmax", "highest A-weighted level, time weighting F"),
        _level("lafmin", "lowest A-weighted level, time weighting F"),
        _level("la10", "level exceeded for 10 % of the window"),
        _level("la50", "level exceeded for 50 % of the window"),
        _level("la90", "level exceeded for 90 % of the window"),
        _level("lceq", "C-weighted equivalent level, averaged as energy"),
    ),
    Stream.FOOTFALL: (
        Quantity("occupancy", "1", "mean number of people in the zone"),
        Quantity("fps", "1/s", "frames counted on per second"),
        Quantity("scene_luma", "1", "mean luma of the scene, 0 to 255"),
    ),
    Stream.HEALTH: (
        Quantity("uptime_s", "s", "time since the node booted"),
        Quantity("cpu_c", "degC", "temperature of the processor"),
        Quantity("load_1min", "1", "load average over a minute"),
        Quantity("memory_free_bytes", "byte", "free memory"),
        Quantity("disk_free_bytes", "byte", "free space on the spool's disk"),
        Quantity("spool_records_n", "1", "records waiting to be acknowledged"),
        Quantity("spool_oldest_s", "s", "age of the oldest record waiting"),
        Quantity("spool_days_left", "d", "days until the spool is full at this rate"),
        Quantity("clock_offset_ms", "ms", "offset of the clock from its source"),
        Quantity("link_rssi_dbm", "dBm", "signal strength of the uplink"),
        Quantity("pir_share", "1", "share of the window with movement seen by infrared"),
    ),
    Stream.EVENT: (),
}
