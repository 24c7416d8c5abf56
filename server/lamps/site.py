"""The lamps of a site as they are registered now, and their light as detection takes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from contract.flags import Flag, flags_to_bits, mask_barred_from
from server.lighting.diagnosis import Samples

# Flags under which the reading is no lux of the street.
_UNUSABLE = flags_to_bits([Flag.SATURATED, Flag.OCCLUDED]) | mask_barred_from("kpi")
# PostgreSQL's binary COPY: a header of 19 bytes, rows of two fields, a trailer of 2 bytes.
_HEADER_BYTES, _TRAILER_BYTES = 19, 2
_ROW = np.dtype(
    [("n", ">i2"), ("t_bytes", ">i4"), ("t_s", ">i8"), ("lux_bytes", ">i4"), ("lux", ">f4")]
)

_LAMPS = """
SELECT l.node_id, l.site_id, l.section AS feeder, l.commissioned_lx, l.latitude, l.longitude, l.tz,
       greatest(l.deployed_t, (SELECT min(x.from_t) FROM lamp AS x
                               WHERE x.node_id = l.node_id AND x.revoked_at IS NULL)) AS from_t
FROM lamp_now AS l
WHERE %(site)s::text IS NULL OR l.site_id = %(site)s
ORDER BY l.site_id, l.node_id
"""
_LIGHT = """
COPY (
    SELECT extract(epoch FROM r.t)::bigint,
           CASE WHEN r.valid_s > 0 AND r.flags & %(unusable)s = 0
                THEN coalesce(c.gain * r.lux_p50 + c.shift, 'NaN') ELSE 'NaN' END::real
    FROM light_raw AS r
    CROSS JOIN LATERAL (
        SELECT coalesce(max(k.gain), 1) AS gain, coalesce(max(k."offset"), 0) AS shift
        FROM (SELECT gain, "offset" FROM calibration AS k
              WHERE k.node_id = %(node)s AND k.quantity = 'light' AND k.revoked_at IS NULL
                AND k.from_t <= r.t ORDER BY k.from_t DESC LIMIT 1) AS k) AS c
    WHERE r.node_id = %(node)s AND r.t >= %(from_t)s AND r.t < %(to_t)s
      AND NOT EXISTS (SELECT FROM exclusion AS e
                      WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'light') = 'light'
                        AND (e.node_id = %(node)s OR e.site_id = %(site)s)
                        AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t)
    ORDER BY r.t
) TO STDOUT (FORMAT BINARY)
"""
# What the light's meaning depends on, besides the light: another text, another recomputation.
_VERSION = """
SELECT md5(concat_ws('|',
    (SELECT string_agg(l::text, ';' ORDER BY lamp_id) FROM lamp AS l
     WHERE node_id = ANY(%(nodes)s)),
    (SELECT string_agg(d::text, ';' ORDER BY deployment_id) FROM deployment AS d
     WHERE node_id = ANY(%(nodes)s)),
    (SELECT string_agg(c::text, ';' ORDER BY calibration_id) FROM calibration AS c
     WHERE node_id = ANY(%(nodes)s) AND quantity = 'light'),
    (SELECT string_agg(e::text, ';' ORDER BY exclusion_id) FROM exclusion AS e
     WHERE (node_id = ANY(%(nodes)s) OR site_id = %(site)s)
       AND coalesce(stream, 'light') = 'light'),
    (SELECT concat_ws(',', tz, latitude, longitude) FROM site WHERE site_id = %(site)s)))
"""


@dataclass(frozen=True)
class Lamp:
    """One node that watches a lamp, as registered now; its light counts from `from_t`."""

    node_id: str
    site_id: str
    feeder: str
    commissioned_lx: float | None
    latitude: float
    longitude: float
    tz: str
    from_t: datetime


@dataclass(frozen=True)
class LampSite:
    """All lamps of one site; they are each other's neighbours."""

    site_id: str
    lamps: tuple[Lamp, ...]
    version: str

    @property
    def nodes(self) -> list[str]:
        """Ids of the nodes, in order."""
        return [lamp.node_id for lamp in self.lamps]

    @property
    def zone(self) -> ZoneInfo:
        """Of the site: a night bears the local date on which it begins."""
        return ZoneInfo(self.lamps[0].tz)

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude in degrees, of the middle of the lamps."""
        return (
            sum(lamp.latitude for lamp in self.lamps) / len(self.lamps),
            sum(lamp.longitude for lamp in self.lamps) / len(self.lamps),
        )

    @property
    def feeders(self) -> dict[str, str]:
        """Feeder by node; '' is the one of all that have none registered."""
        return {lamp.node_id: lamp.feeder for lamp in self.lamps}

    @property
    def commissioned_lx(self) -> dict[str, float]:
        """Night level at commissioning by node, where it is known."""
        return {
            lamp.node_id: lamp.commissioned_lx
            for lamp in self.lamps
            if lamp.commissioned_lx is not None
        }


def lamp_sites(conn: psycopg.Connection, site_id: str | None = None) -> list[LampSite]:
    """Sites that have lamps now, or the one named if it has."""
    cursor = conn.cursor(row_factory=class_row(Lamp))
    by_site: dict[str, list[Lamp]] = {}
    for lamp in cursor.execute(_LAMPS, {"site": site_id}).fetchall():
        by_site.setdefault(lamp.site_id, []).append(lamp)
    return [
        LampSite(site, tuple(lamps), _version(conn, site, [lamp.node_id for lamp in lamps]))
        for site, lamps in by_site.items()
    ]


def site_light(conn: psycopg.Connection, site: LampSite, since: datetime) -> dict[str, Samples]:
    """Light of each lamp from `since` on, corrected; NaN where nothing usable was measured."""
    forever = datetime(9999, 1, 1, tzinfo=UTC)
    return {
        lamp.node_id: _samples(conn, lamp, max(since, lamp.from_t), forever) for lamp in site.lamps
    }


def light_of_hours(conn: psycopg.Connection, lamp: Lamp, hours: Iterable[datetime]) -> Samples:
    """Light of one lamp in some hours (their begins), corrected."""
    parts = [
        _samples(conn, lamp, max(begin, lamp.from_t), end) for begin, end in _runs(sorted(hours))
    ]
    return Samples(
        t_s=np.concatenate([part.t_s for part in parts]),
        lux=np.concatenate([part.lux for part in parts]),
    )


def _runs(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Hours that follow each other, as one span."""
    hour = timedelta(hours=1)
    runs: list[tuple[datetime, datetime]] = []
    for begin in hours:
        if runs and runs[-1][1] >= begin:
            runs[-1] = (runs[-1][0], begin + hour)
        else:
            runs.append((begin, begin + hour))
    return runs


def _samples(conn: psycopg.Connection, lamp: Lamp, begin: datetime, end: datetime) -> Samples:
    values = {
        "unusable": _UNUSABLE, "node": lamp.node_id, "site": lamp.site_id, "from_t": begin,
        "to_t": end,
    }  # fmt: skip
    with conn.cursor() as cursor, cursor.copy(_LIGHT, values) as copy:
        data = b"".join(copy)
    return _decoded(data)


def _decoded(data: bytes) -> Samples:
    rows = np.frombuffer(data[_HEADER_BYTES:-_TRAILER_BYTES], dtype=_ROW)
    t_s: NDArray[np.int64] = rows["t_s"].astype(np.int64)
    lux: NDArray[np.float32] = rows["lux"].astype(np.float32)
    return Samples(t_s=t_s, lux=lux)


def _version(conn: psycopg.Connection, site_id: str, nodes: list[str]) -> str:
    row = conn.execute(_VERSION, {"nodes": nodes, "site": site_id}).fetchone()
    assert row is not None
    return str(row[0])
