"""The queries of a series: from raw records, or from the views of hours and local days."""

from dataclasses import dataclass

from contract.streams import Stream
from server.api.quantities import QUANTITIES
from server.api.series_models import Grain

_COUNTS = (("a_to_b", "1"), ("b_to_a", "1"))
LINE_QUANTITIES = frozenset(name for name, _ in _COUNTS)
_OF_VIEWS: dict[Stream, tuple[tuple[str, str], ...]] = {
    Stream.LIGHT: (("lux_mean", "lx"), ("lux_min", "lx"), ("lux_max", "lx")),
    Stream.NOISE: (
        ("laeq", "dB"), ("lceq", "dB"), ("lafmax", "dB"), ("lafmin", "dB"), ("la10", "dB"),
        ("la50", "dB"), ("la90", "dB"),
    ),
    Stream.FOOTFALL: _COUNTS,
    Stream.HEALTH: (
        ("cpu_c_max", "degC"), ("disk_free_bytes_min", "byte"), ("spool_records_n_max", "1"),
        ("spool_oldest_s_max", "s"), ("clock_offset_ms_max", "ms"), ("link_rssi_dbm_min", "dBm"),
        ("pir_share", "1"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A query, and the unit of each quantity that it gives, in order."""

    query: str
    units: dict[str, str]


# WITH TIES: a page never ends in the middle of one moment, so the next begins after it.
_PAGE = "FETCH FIRST %(limit)s ROWS WITH TIES"


def source(stream: Stream, grain: Grain) -> Source:
    """Where rows of `stream` at `grain` come from.

    Raw takes node_id, from_t, to_t, limit; the views node_ids and stays (one of each node, or null
    for all), from_t, to_t, limit, and for days tz.
    """
    if grain is not Grain.RAW:
        return _of_view(stream, grain)
    return _raw_lines() if stream is Stream.FOOTFALL else _raw(stream)


def _raw(stream: Stream) -> Source:
    """One node at a time: the planner has to see its bounds, or it reads and sorts the range."""
    units = {quantity.name: quantity.unit for quantity in QUANTITIES[stream]}
    return Source(
        f"""
        SELECT node_id, t, NULL::text AS line, dur_s, valid_s, 1 AS records_n, flags,
               NULL::boolean AS excluded, NULL::integer AS calibration_id, {", ".join(units)}
        FROM {stream}_raw
        WHERE node_id = %(node_id)s AND t >= %(from_t)s AND t < %(to_t)s
        ORDER BY t {_PAGE}""",  # noqa: S608 - every part is one of our own constants
        units,
    )


def _raw_lines() -> Source:
    """Footfall: one row a line, and one with null `line` for what belongs to the scene."""
    scene = {quantity.name: quantity.unit for quantity in QUANTITIES[Stream.FOOTFALL]}
    units = {**dict(_COUNTS), **scene}
    return Source(
        f"""
        SELECT r.node_id, r.t, l.line, r.dur_s, r.valid_s, 1 AS records_n, r.flags,
               NULL::boolean AS excluded, NULL::integer AS calibration_id,
               l.a_to_b, l.b_to_a, {", ".join(f"l.{name}" for name in scene)}
        FROM (
            SELECT * FROM footfall_raw
            WHERE node_id = %(node_id)s AND t >= %(from_t)s AND t < %(to_t)s
            ORDER BY t {_PAGE}
        ) r,
        LATERAL (
            SELECT NULL::text AS line, NULL::integer AS a_to_b, NULL::integer AS b_to_a,
                   {", ".join(f"r.{name}" for name in scene)}
            UNION ALL
            SELECT line, a_to_b, b_to_a, {", ".join("NULL::real" for _ in scene)}
            FROM footfall_line_raw c
            WHERE c.t = r.t AND c.node_id = r.node_id AND c.spool = r.spool AND c.seq = r.seq
        ) l""",  # noqa: S608
        units,
    )


_WHO = "unnest(%(node_ids)s::text[], %(stays)s::integer[]) AS who(node_id, deployment_id)"


def _of_view(stream: Stream, grain: Grain) -> Source:
    units = dict(_OF_VIEWS[stream])
    lines = stream is Stream.FOOTFALL
    view = f"{'footfall_line' if lines else stream.value}_{grain.value}"
    hours = grain is Grain.HOUR
    at = "r.hour" if hours else "r.local_day"
    bounds = (
        "r.hour >= %(from_t)s AND r.hour < %(to_t)s"
        if hours
        else "r.local_day >= (%(from_t)s::timestamptz AT TIME ZONE %(tz)s)::date"
        " AND r.local_day <= ((%(to_t)s::timestamptz - interval '1 us') AT TIME ZONE %(tz)s)::date"
    )
    calibration = "NULL::integer" if stream is Stream.HEALTH else "r.calibration_id"
    return Source(
        f"""
        SELECT r.node_id, {at} AS t, {"r.line" if lines else "NULL::text"} AS line,
               r.dur_s, r.valid_s, r.n AS records_n, r.flags, r.excluded,
               {calibration} AS calibration_id, {", ".join(f"r.{name}" for name in units)}
        FROM {_WHO} JOIN {view} r ON r.node_id = who.node_id
             AND (who.deployment_id IS NULL OR r.deployment_id = who.deployment_id)
        WHERE {bounds}
        ORDER BY {at} {_PAGE}""",  # noqa: S608
        units,
    )
