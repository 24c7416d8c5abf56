"""Looking lamps up: what they do, their nights, their light; null for what is not known."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from server.lamps.plot import Light
from server.registry.errors import NotFound

Row = dict[str, Any]

_LAMPS = """
SELECT l.*, coalesce(x.state, 'no data') AS state, x.at_t, x.since_t,
       coalesce(x.learned, false) AS learned, k.on_t, k.off_t, k.level, k.level_lx,
       coalesce(e.kinds, '{}') AS open_kinds, e.oldest_t
FROM lamp_now AS l LEFT JOIN lamp_state AS x USING (node_id)
LEFT JOIN LATERAL (
    SELECT max(on_t) AS on_t, max(off_t) AS off_t,
           (array_agg(level ORDER BY night DESC) FILTER (WHERE level IS NOT NULL))[1] AS level,
           (array_agg(level_lx ORDER BY night DESC)
               FILTER (WHERE level_lx IS NOT NULL))[1] AS level_lx
    FROM lamp_night AS n WHERE n.node_id = l.node_id AND n.night > current_date - 15) AS k ON true
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT d.kind ORDER BY d.kind) AS kinds, min(d.from_t) AS oldest_t
    FROM lamp_duty AS d
    WHERE d.node_id = l.node_id AND d.status IN ('open', 'acknowledged')) AS e ON true
WHERE (%(site)s::text IS NULL OR l.site_id = %(site)s)
  AND (%(node)s::text IS NULL OR l.node_id = %(node)s)
ORDER BY l.site, l.site_id, l.node_id
"""
_NIGHTS = """
SELECT * FROM lamp_night
WHERE (%(node)s::text IS NULL OR node_id = %(node)s) AND night BETWEEN %(first)s AND %(last)s
ORDER BY node_id, night
"""
_LIGHT = """
SELECT t, CASE WHEN coverage > 0 THEN lux END FROM dash.light_1m
WHERE node_id = %s AND t >= %s AND t < %s ORDER BY t
"""


def lamps(conn: psycopg.Connection, site: str | None = None, node: str | None = None) -> list[Row]:
    """Lamps as they are registered, with what they do now and their open faults."""
    values = {"site": site, "node": node}
    return conn.cursor(row_factory=dict_row).execute(_LAMPS, values).fetchall()


def lamp(conn: psycopg.Connection, node: str) -> Row:
    """One lamp; raises `NotFound`."""
    found = lamps(conn, node=node)
    if not found:
        raise NotFound(
            f"{node!r} watches no lamp; msl lamps list shows those that do, msl lamps add enters"
            " one"
        )
    return found[0]


def nights(
    conn: psycopg.Connection, first: date, last: date, node: str | None = None
) -> Sequence[Row]:
    """Nights that begin on these dates, both included."""
    values = {"node": node, "first": first, "last": last}
    return conn.cursor(row_factory=dict_row).execute(_NIGHTS, values).fetchall()


def light(conn: psycopg.Connection, node: str, begin: datetime, end: datetime) -> Light:
    """Corrected lux of a node, record by record; None where nothing was measured."""
    rows = conn.execute(_LIGHT, [node, begin, end]).fetchall()
    return Light([t for t, _ in rows], [lux for _, lux in rows])
