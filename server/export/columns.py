"""The columns of an export: name with its unit, type, and what stands in it.

One wide row an observation: a window, an hour or a local day of one node (of one line of
footfall). Values are corrected by the calibration that holds, which stands beside them; without
one they are as measured and the calibration's columns are null.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from contract.streams import Stream

Kind = Literal["text", "int", "real", "float", "bool", "time", "date", "flags"]


class Grain(StrEnum):
    """One row a record, an hour (UTC), or a local day of the site."""

    RAW = "raw"
    HOUR = "1h"
    DAY = "1d"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `sql` gives its value, `unit` is empty for what has none."""

    name: str
    kind: Kind
    sql: str
    unit: str
    meaning: str


STREAMS = (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL, Stream.HEALTH)
# How the values came about, in a word that stands on every row; docs/operations.md explains each.
METHODS: dict[tuple[Stream, Grain], str] = {
    (Stream.LIGHT, Grain.RAW): "percentiles_of_integrations",
    (Stream.LIGHT, Grain.HOUR): "mean_of_medians",
    (Stream.LIGHT, Grain.DAY): "mean_of_medians",
    (Stream.NOISE, Grain.RAW): "energy_average",
    (Stream.NOISE, Grain.HOUR): "energy_average",
    (Stream.NOISE, Grain.DAY): "energy_average",
    (Stream.FOOTFALL, Grain.RAW): "line_crossings",
    (Stream.FOOTFALL, Grain.HOUR): "line_crossings",
    (Stream.FOOTFALL, Grain.DAY): "line_crossings",
    (Stream.HEALTH, Grain.RAW): "sampled",
    (Stream.HEALTH, Grain.HOUR): "worst_of_samples",
    (Stream.HEALTH, Grain.DAY): "worst_of_samples",
}


def columns(stream: Stream, grain: Grain) -> list[Column]:
    """In the order of the file. Table names in their SQL are those of `server.export.queries`."""
    return [
        *_WHERE,
        *_when(stream, grain),
        *_HOW_MUCH[grain],
        *_VALUES[stream, grain is Grain.RAW],
        Column("method", "text", f"'{METHODS[stream, grain]}'", "", "how the values came about"),
        *_calibration(stream),
        *(_origin(stream) if grain is Grain.RAW else []),
    ]


_WHERE = [
    Column("site", "text", "d.site_id", "", "where the node stood then; null: nowhere"),
    Column("node", "text", "r.node_id", "", "which node"),
]
_FLAGS = Column("flags", "flags", "r.flags", "", "flags of the records, separated by |")
_SIMULATED = Column(
    "simulated", "bool", "r.flags & (SELECT 1 << bit FROM flag WHERE name = 'SIMULATED') <> 0", "",
    "made by emulated hardware, not measured",
)  # fmt: skip
_COVERAGE = {
    Grain.RAW: "r.valid_s / nullif(r.dur_s, 0)",
    Grain.HOUR: "least(r.valid_s / 3600, 1)",
    Grain.DAY: "least(r.valid_s / local_day_s(r.local_day, coalesce(s.tz, 'UTC')), 1)",
}
_EXCLUDED = """EXISTS (SELECT FROM barred AS e
    WHERE (e.node_id = r.node_id OR e.site_id = d.site_id)
      AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t)"""


def _when(stream: Stream, grain: Grain) -> list[Column]:
    excluded = _EXCLUDED if grain is Grain.RAW else "r.excluded"
    barred = Column("excluded", "bool", excluded, "", "a dated exclusion covers it")
    line = Column("line", "text", _LINE[grain], "", "counting line; null: none was configured")
    at = {
        Grain.RAW: Column("t", "time", "r.t", "", "start of the window, UTC"),
        Grain.HOUR: Column("t", "time", "r.hour", "", "start of the hour, UTC"),
        Grain.DAY: Column("local_day", "date", "r.local_day", "", "date in the site's time zone"),
    }[grain]
    return [at, *([line] if stream is Stream.FOOTFALL else []), barred, _SIMULATED, _FLAGS]


_LINE = {Grain.RAW: "l.line", Grain.HOUR: "r.line", Grain.DAY: "r.line"}
_SECONDS = [
    Column("dur_s", "real", "r.dur_s", "s", "length of the windows"),
    Column("valid_s", "real", "r.valid_s", "s", "seconds really measured; values speak for these"),
]
_HOW_MUCH = {
    grain: [
        *_SECONDS,
        Column("coverage", "real", f"({share})::real", "1", "valid seconds over seconds"),
        *([] if grain is Grain.RAW else [Column("records_n", "int", "r.n", "1", "records in it")]),
    ]
    for grain, share in _COVERAGE.items()
}


def _lux(name: str, meaning: str) -> Column:
    sql = f'(coalesce(c.gain, 1) * r.{name} + coalesce(c."offset", 0))::real'
    return Column(f"{name}_lx", "real", sql, "lx", meaning)


def _level(name: str, meaning: str) -> Column:
    sql = f'(r.{name} + coalesce(c."offset", 0))::real'
    return Column(f"{name}_db", "real", sql, "dB", meaning)


def _plain(name: str, kind: Kind, unit: str, meaning: str, *, named: str = "") -> Column:
    return Column(named or name, kind, f"r.{name}", unit, meaning)


_LEVELS = {
    "laeq": "A-weighted equivalent level re 20 µPa, averaged as energy",
    "lceq": "C-weighted equivalent level, averaged as energy",
    "lafmax": "highest A-weighted level, time weighting F",
    "lafmin": "lowest A-weighted level, time weighting F",
    "la10": "level exceeded for 10 % of the time",
    "la50": "level exceeded for 50 % of the time",
    "la90": "level exceeded for 90 % of the time",
}

# By whether they are of records; hours and days come from views that have corrected already.
_VALUES: dict[tuple[Stream, bool], list[Column]] = {
    (Stream.LIGHT, True): [
        _lux("lux_p10", "illuminance exceeded for 90 % of the window"),
        _lux("lux_p50", "median illuminance"),
        _lux("lux_p90", "illuminance exceeded for 10 % of the window"),
        _lux("lux_max", "highest illuminance"),
        _plain("full_scale_lx", "real", "lx", "top of the range in use"),
        _plain("integration_ms", "real", "ms", "integration time"),
        _plain("sensor", "text", "", "sensor"),
    ],
    (Stream.LIGHT, False): [
        _plain("lux_mean", "float", "lx", "mean of the windows' medians", named="lux_mean_lx"),
        _plain("lux_min", "float", "lx", "lowest median", named="lux_min_lx"),
        _plain("lux_max", "float", "lx", "highest median", named="lux_max_lx"),
    ],
    (Stream.NOISE, True): [
        *(_level(name, meaning) for name, meaning in _LEVELS.items()),
        _plain("overload_n", "int", "1", "samples that clipped"),
        _plain("lost_n", "int", "1", "samples lost"),
    ],
    (Stream.NOISE, False): [
        *(
            _plain(name, "float", "dB", meaning, named=f"{name}_db")
            for name, meaning in _LEVELS.items()
        ),
        _plain("overload_n", "int", "1", "samples that clipped"),
    ],
    (Stream.FOOTFALL, True): [
        Column("a_to_b", "real", "(coalesce(c.gain, 1) * l.a_to_b)::real", "1",
               "crossings from side A to B"),
        Column("b_to_a", "real", "(coalesce(c.gain, 1) * l.b_to_a)::real", "1",
               "crossings from side B to A"),
        _plain("occupancy", "real", "1", "mean number of people in the zone; of the scene"),
        _plain("fps", "real", "1/s", "frames counted on per second; of the scene",
               named="frames_per_s"),
        _plain("scene_luma", "real", "1", "mean luma, 0 to 255; of the scene"),
        _plain("geometry_rev", "int", "", "number of the geometry that the line belongs to"),
    ],
    (Stream.FOOTFALL, False): [
        _plain("a_to_b", "float", "1", "crossings from side A to B"),
        _plain("b_to_a", "float", "1", "crossings from side B to A"),
    ],
    (Stream.HEALTH, True): [
        _plain("uptime_s", "float", "s", "time since the node booted"),
        _plain("cpu_c", "real", "degC", "temperature of the processor"),
        _plain("throttled_bits", "int", "", "the firmware's throttling bits"),
        _plain("disk_free_bytes", "int", "byte", "free space on the spool's disk"),
        _plain("spool_records_n", "int", "1", "records waiting to be acknowledged"),
        _plain("spool_oldest_s", "float", "s", "age of the oldest of them"),
        _plain("clock_synced", "bool", "", "whether the clock is synchronised"),
        _plain("clock_offset_ms", "float", "ms", "offset of the clock from its source"),
        _plain("link_rssi_dbm", "real", "dBm", "signal strength of the uplink"),
        _plain("pir_share", "real", "1", "share of the window with movement seen by infrared"),
    ],
    (Stream.HEALTH, False): [
        _plain("cpu_c_max", "real", "degC", "highest temperature of the processor"),
        _plain("throttled_bits", "int", "", "the firmware's throttling bits, any of them"),
        _plain("disk_free_bytes_min", "int", "byte", "least free space on the spool's disk"),
        _plain("spool_records_n_max", "int", "1", "most records waiting"),
        _plain("spool_oldest_s_max", "float", "s", "greatest age of a waiting record"),
        _plain("clock_offset_ms_max", "float", "ms", "largest offset of the clock"),
        _plain("link_rssi_dbm_min", "real", "dBm", "weakest signal of the uplink"),
        _plain("pir_share", "float", "1", "share of the time with movement seen by infrared"),
    ],
}  # fmt: skip


def _calibration(stream: Stream) -> list[Column]:
    if stream is Stream.HEALTH:
        return []
    offset = {
        Stream.LIGHT: [("calibration_offset_lx", "lx")],
        Stream.NOISE: [("calibration_offset_db", "dB")],
    }.get(stream, [])
    gain = [] if stream is Stream.NOISE else [("calibration_gain", "1")]
    return [
        Column("calibration_id", "int", "c.calibration_id", "", "null: as measured"),
        Column("calibration_from", "time", "c.from_t", "", "since when it holds"),
        Column("calibration_reference", "text", "c.reference", "", "against what"),
        *(Column(n, "float", "c.gain", unit, "value = gain x measured") for n, unit in gain),
        *(Column(n, "float", 'c."offset"', unit, "added after the gain") for n, unit in offset),
        Column("calibration_uncertainty", "float", "c.uncertainty", "", "in the value's unit"),
    ]


def _origin(stream: Stream) -> list[Column]:
    sens = Column("sens_db", "real", "o.sens_db", "dB",
                  "level of a full-scale sine by the microphone's datasheet")  # fmt: skip
    return [
        *([sens] if stream is Stream.NOISE else []),
        Column("software", "text", "o.rev", "", "node's software and, for footfall, detector"),
        Column("spool", "text", "r.spool", "", "with node and seq: which record this is"),
        Column("seq", "int", "r.seq", "", "number of the record in its spool and stream"),
        Column("received_at", "time", "r.received_at", "", "when the server received it, UTC"),
    ]
