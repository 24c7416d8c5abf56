"""Which column of which table holds which field of a record, and how it travels there."""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from contract.events import EventRecord
from contract.records import HealthRecord, Record
from contract.streams import Stream
from server.ingest.arrays import (
    NULL_FLOAT,
    NULL_INT,
    BoolArray,
    Float4Array,
    Float8Array,
    Int2Array,
    Int4Array,
    Int8Array,
    PgArray,
    TextArray,
    TimestampArray,
)


@dataclass(frozen=True)
class Kind:
    """A column type on its way through `unnest`.

    Attributes:
        sql: Element type of the parameter.
        build: Values to array.
        select: How the column is read from the unnested row, `{0}` being its name.
    """

    sql: str
    build: Callable[[Any], PgArray]
    select: str = "r.{0}"


def _ints(build: Callable[[Any], PgArray]) -> Callable[[Iterable[int | None]], PgArray]:
    return lambda values: build([NULL_INT if v is None else v for v in values])


def _floats(build: Callable[[Any], PgArray]) -> Callable[[Iterable[float | None]], PgArray]:
    return lambda values: build([NULL_FLOAT if v is None else v for v in values])


TIME = Kind("timestamptz", TimestampArray)
INT = Kind("int4", Int4Array)
BIGINT = Kind("int8", Int8Array)
REAL_NOT_NULL = Kind("float4", Float4Array)
TEXT = Kind("text", TextArray)
REAL = Kind("float4", _floats(Float4Array), "nullif(r.{0}, 'NaN')")
DOUBLE = Kind("float8", _floats(Float8Array), "nullif(r.{0}, 'NaN')")
NULLABLE_INT = Kind("int4", _ints(Int4Array), f"nullif(r.{{0}}, {NULL_INT})")
NULLABLE_BIGINT = Kind("int8", _ints(Int8Array), f"nullif(r.{{0}}, {NULL_INT})")
BOOL = Kind("bool", BoolArray)
JSON = Kind("text", TextArray, "r.{0}::jsonb")

# What every record has; the values don't come from the record alone.
COMMON: dict[str, Kind] = {
    "t": TIME,
    "seq": BIGINT,
    "received_at": TIME,
    "origin_id": INT,
    "flags": INT,
    "dur_s": REAL_NOT_NULL,
    "valid_s": REAL_NOT_NULL,
    "node_id": TEXT,
    "spool": TEXT,
}

OWN: dict[Stream, dict[str, Kind]] = {
    Stream.LIGHT: {
        **dict.fromkeys(("lux_p10", "lux_p50", "lux_p90", "lux_max"), REAL),
        **dict.fromkeys(("full_scale_lx", "integration_ms"), REAL),
        "samples_n": INT,
        "sensor": TEXT,
    },
    Stream.NOISE: {
        **dict.fromkeys(("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq"), REAL),
        "overload_n": INT,
        "lost_n": INT,
    },
    Stream.FOOTFALL: {
        **dict.fromkeys(("occupancy", "fps", "scene_luma"), REAL),
        "geometry_rev": INT,
    },
    Stream.HEALTH: {
        "memory_free_bytes": NULLABLE_BIGINT,
        "disk_free_bytes": NULLABLE_BIGINT,
        **dict.fromkeys(("uptime_s", "spool_oldest_s", "clock_offset_ms"), DOUBLE),
        **dict.fromkeys(
            ("cpu_c", "load_1min", "spool_days_left", "link_rssi_dbm", "pir_share"), REAL
        ),
        "throttled_bits": NULLABLE_INT,
        "spool_records_n": NULLABLE_INT,
        "clock_synced": BOOL,
        "clock_source": TEXT,
        "link": TEXT,
        "sensors": JSON,
    },
    Stream.EVENT: {"kind": TEXT, "body": JSON},
}

LINE: dict[str, Kind] = {
    "t": TIME,
    "seq": BIGINT,
    "a_to_b": NULLABLE_INT,
    "b_to_a": NULLABLE_INT,
    "node_id": TEXT,
    "spool": TEXT,
    "line": TEXT,
}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _sensors(record: HealthRecord) -> str:
    return _json(record.sensors)


def _kind(record: EventRecord) -> str:
    return str(record.body.__struct_config__.tag)


def _body(record: EventRecord) -> str:
    return _json(record.body)


_SPECIAL: dict[str, Callable[[Any], Any]] = {"sensors": _sensors, "kind": _kind, "body": _body}


def own_arrays(stream: Stream, records: Sequence[Record]) -> dict[str, PgArray]:
    """The stream's own columns, by name."""
    arrays = {
        name: kind.build([*map(_SPECIAL.get(name) or operator.attrgetter(name), records)])
        for name, kind in OWN[stream].items()
    }
    return arrays | (_histogram(records) if stream is Stream.NOISE else {})


def _histogram(records: Sequence[Any]) -> dict[str, PgArray]:
    """All records' classes in one flat array each, with the slice that is each record's own.

    `unnest` can't carry an array a row; slices of a flat one cost next to nothing.
    """
    flat = [pair for record in records for pair in record.laf_hist]
    ends: list[int] = []
    end = 0
    for record in records:
        end += len(record.laf_hist)
        ends.append(end)
    starts = [1, *(end + 1 for end in ends[:-1])] if ends else []
    return {
        "laf_from": Int4Array(starts),
        "laf_to": Int4Array(ends),
        "laf_class": Int2Array([k for k, _ in flat]),
        "laf_n": Int4Array([n for _, n in flat]),
    }


def _insert(table: str, columns: dict[str, Kind], *, identity: str, reason: bool = False) -> str:
    wire = columns | ({"reason": TEXT} if reason else {})
    names = [*wire]
    selects = [kind.select.format(name) for name, kind in wire.items()]
    if table.endswith("_noise") or table.startswith("noise_"):
        names += ["laf_class", "laf_n"]
        selects += [
            "(%(laf_class)s::int2[])[r.laf_from:r.laf_to]",
            "(%(laf_n)s::int4[])[r.laf_from:r.laf_to]",
        ]
        wire = wire | {"laf_from": INT, "laf_to": INT}
    parameters = ", ".join(f"%({name})s::{kind.sql}[]" for name, kind in wire.items())
    # Names come from this module alone; values are parameters.
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(selects)}"  # noqa: S608
        f" FROM unnest({parameters}) AS r({', '.join(wire)})"
        f" ON CONFLICT ({identity}) DO NOTHING"
    )


INSERT_RAW = {
    stream: _insert(f"{stream}_raw", COMMON | own, identity="t, node_id, spool, seq")
    for stream, own in OWN.items()
}
INSERT_HELD = {
    stream: _insert(f"held_{stream}", COMMON | own, identity="node_id, spool, seq", reason=True)
    for stream, own in OWN.items()
}
INSERT_RAW_LINES = _insert("footfall_line_raw", LINE, identity="t, node_id, spool, seq, line")
INSERT_HELD_LINES = _insert(
    "held_footfall_line", LINE, identity="node_id, spool, seq, line", reason=True
)
