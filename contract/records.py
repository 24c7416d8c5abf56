"""The records of the measured streams and of a node's health.

Every record says when its window began (`t`), how long it was (`dur_s`), how many seconds of it
were really measured (`valid_s`), and what was wrong (`flags`). A quantity that wasn't measured is
null, never 0. Raw values: calibration is a dated row on the server, never applied on the node.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from contract import fields as f
from contract.flags import Flag
from contract.limits import MIN_FOOTFALL_WINDOW_S

# Seconds by which `valid_s` may exceed `dur_s`: both are rounded, clocks are slewed.
VALID_TOLERANCE_S = 1.0

# Width of a class of `laf_hist`; class k covers k x 0.5 dB up to (k + 1) x 0.5 dB.
LAF_CLASS_DB = 0.5

LafClass = Annotated[int, Meta(ge=-80, le=400, description="class k is k x 0.5 dB and up")]
LafCount = Annotated[int, Meta(ge=1, le=1_000_000, description="LAF samples, one each 125 ms")]


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """What every record of every stream has."""

    seq: f.Seq
    t: f.TimeMs
    dur_s: f.DurationS
    valid_s: f.ValidS
    flags: list[Flag] = []

    def __post_init__(self) -> None:
        if self.valid_s > self.dur_s + VALID_TOLERANCE_S:
            raise ValueError(f"valid_s {self.valid_s} is more than dur_s {self.dur_s}")


def _require_window(record: Record) -> None:
    """Raise ValueError when the window has no length: coverage divides by it."""
    if record.dur_s == 0:
        raise ValueError("dur_s is 0, which only an event's may be")


def _require_measured(record: Record, *names: str) -> None:
    """Raise ValueError unless the named values are null exactly when nothing was measured."""
    for name in names:
        value = getattr(record, name)
        if (value is None) != (record.valid_s == 0):
            raise ValueError(
                f"{name} is {'null' if value is None else value} while valid_s is {record.valid_s}"
            )


class LightRecord(Record, kw_only=True, forbid_unknown_fields=True):
    """Illuminance over a window, from readings of >= 100 ms each."""

    lux_p10: f.Lux | None
    lux_p50: f.Lux | None
    lux_p90: f.Lux | None
    lux_max: f.Lux | None
    sensor: f.Word
    full_scale_lx: (
        Annotated[f.Lux, Meta(description="largest full scale used in the window")] | None
    ) = None
    integration_ms: (
        Annotated[f.Milliseconds, Meta(description="longest integration used in the window")] | None
    ) = None
    samples_n: Annotated[f.SmallInt, Meta(description="readings in the window")] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_window(self)
        _require_measured(self, "lux_p10", "lux_p50", "lux_p90", "lux_max")


class NoiseRecord(Record, kw_only=True, forbid_unknown_fields=True):
    """Sound levels over a window; IEC 61672-1 names, always averaged as energy."""

    laeq: f.LevelDb | None
    lafmax: f.LevelDb | None
    lafmin: f.LevelDb | None
    la10: f.LevelDb | None
    la50: f.LevelDb | None
    la90: f.LevelDb | None
    lceq: f.LevelDb | None
    overload_n: Annotated[f.SmallInt, Meta(description="samples that clipped")] = 0
    lost_n: Annotated[f.SmallInt, Meta(description="samples that never arrived")] = 0
    laf_hist: Annotated[list[tuple[LafClass, LafCount]], Meta(max_length=481)] = []

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_window(self)
        _require_measured(self, "laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq")
        if self.valid_s == 0 and self.laf_hist:
            raise ValueError(f"laf_hist has {len(self.laf_hist)} classes while valid_s is 0")


class LineCount(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Crossings of one line; null when the node could not see."""

    line: f.LineName
    a_to_b: f.Count | None
    b_to_a: f.Count | None


class FootfallRecord(Record, kw_only=True, forbid_unknown_fields=True):
    """Crossings per line over a window. No tracks, boxes, dwell or times of single people."""

    lines: Annotated[list[LineCount], Meta(max_length=16)]
    occupancy: f.Occupancy | None
    fps: f.Fps | None
    scene_luma: f.Luma | None
    geometry_rev: Annotated[f.SmallInt, Meta(description="the lines and zone that were counted")]

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_window(self)
        if self.valid_s == 0 and self.occupancy is not None:
            raise ValueError(f"occupancy is {self.occupancy} while valid_s is 0")
        if self.dur_s < MIN_FOOTFALL_WINDOW_S and Flag.PARTIAL not in self.flags:
            raise ValueError(
                f"dur_s {self.dur_s} is under {MIN_FOOTFALL_WINDOW_S} s without PARTIAL"
            )
        if len({line.line for line in self.lines}) != len(self.lines):
            raise ValueError("lines names one line twice")
        for line in self.lines:
            if (line.a_to_b is None) != (self.valid_s == 0) or (line.b_to_a is None) != (
                self.valid_s == 0
            ):
                raise ValueError(
                    f"lines has counts {line.a_to_b}, {line.b_to_a} for {line.line!r}"
                    f" while valid_s is {self.valid_s}"
                )


class SensorState(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How one sensor is doing, and why."""

    sensor: f.Word
    state: f.Word
    since: f.TimeMs
    detail: f.Text | None = None


class HealthRecord(Record, kw_only=True, forbid_unknown_fields=True):
    """The node's own state; null for what this board can't say."""

    uptime_s: f.Seconds
    cpu_c: f.Celsius | None = None
    load_1min: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    throttled_bits: (
        Annotated[f.SmallInt, Meta(description="bits of `vcgencmd get_throttled`")] | None
    ) = None
    memory_free_bytes: f.Bytes | None = None
    disk_free_bytes: f.Bytes | None = None
    spool_records_n: f.SmallInt | None = None
    spool_oldest_s: f.Seconds | None = None
    spool_days_left: f.Days | None = None
    clock_synced: bool | None = None
    clock_offset_ms: f.Milliseconds | None = None
    clock_source: f.Text | None = None
    link: f.Word | None = None
    link_rssi_dbm: f.Dbm | None = None
    pir_share: (
        Annotated[f.Share, Meta(description="of the window with movement before the PIR")] | None
    ) = None
    sensors: Annotated[list[SensorState], Meta(max_length=32)] = []

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_window(self)
