"""Where the rows come from: raw records, or the views of hours and local days."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from contract.streams import Stream
from server.errors import MslError
from server.export.columns import Grain, columns

# Rows fetched at a time: a few MB, however long the export.
FETCH_ROWS = 5000

_PLACE = """
LEFT JOIN deployment AS d ON {deployment}
LEFT JOIN site AS s ON s.site_id = d.site_id
"""
_AT_THE_TIME = "d.node_id = r.node_id AND r.t >= d.from_t AND r.t < coalesce(d.to_t, 'infinity')"
# Only what lies in the time asked for, which is nothing as a rule: every row is held against it.
# A record may have begun an hour before an exclusion, the longest window.
_BARRED = """
WITH barred AS MATERIALIZED (
    SELECT node_id, site_id, from_t, to_t FROM exclusion
    WHERE revoked_at IS NULL AND coalesce(stream, '{stream}') = '{stream}'
      AND from_t < %(to_t)s::timestamptz + interval '1 hour' AND to_t > %(from_t)s
)
"""
# By intervals, so that the rows are joined by hash: one look a row took most of the time.
_CALIBRATION_RAW = """
LEFT JOIN calibration_epoch AS ce ON ce.node_id = r.node_id AND ce.quantity = '{stream}'
    AND r.t >= ce.from_t AND r.t < ce.to_t
LEFT JOIN calibration AS c ON c.calibration_id = ce.calibration_id
"""
# A line's own calibration and one of all lines follow each other: no intervals of their own.
_CALIBRATION_LINES = """
LEFT JOIN LATERAL (
    SELECT * FROM calibration AS x
    WHERE x.node_id = r.node_id AND x.quantity = 'footfall' AND x.revoked_at IS NULL
      AND x.from_t <= r.t AND (x.line IS NULL OR x.line = l.line)
    ORDER BY x.from_t DESC, x.line NULLS LAST LIMIT 1) AS c ON true
"""
_CALIBRATION_VIEW = """
LEFT JOIN calibration AS c ON c.calibration_id = r.calibration_id AND c.revoked_at IS NULL
"""
_LINES = """
LEFT JOIN footfall_line_raw AS l
    ON l.t = r.t AND l.node_id = r.node_id AND l.spool = r.spool AND l.seq = r.seq
   AND l.t >= %(from_t)s AND l.t < %(to_t)s
"""
# A flag may bar records from exports; the contract's table says which.
_ALLOWED = "r.flags & (SELECT coalesce(bit_or(1 << bit), 0) FROM flag WHERE NOT export) = 0"


class NothingToExport(MslError):
    """No node is meant."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows; `site` limits them to the time in which a node stood there.

    Attributes:
        said: For a person, such as `site plaza`.
    """

    lab: str
    site: str | None
    node_ids: list[str]
    said: str


def find_scope(
    conn: psycopg.Connection, *, lab: str | None, site: str | None, node: str | None
) -> Scope:
    """The nodes that are meant; exactly one of the three is given.

    Raises:
        NothingToExport: There is no such lab, site or node.
    """
    if node is not None:
        row = conn.execute("SELECT lab_id FROM node WHERE node_id = %s", [node]).fetchone()
        if row is None:
            raise NothingToExport(f"no node {node}; msl node list shows them")
        return Scope(row[0], None, [node], f"node {node}")
    if site is not None:
        row = conn.execute("SELECT lab_id FROM site WHERE site_id = %s", [site]).fetchone()
        if row is None:
            raise NothingToExport(f"no site {site}; msl site list shows them")
        nodes = "SELECT DISTINCT node_id FROM deployment WHERE site_id = %s ORDER BY node_id"
        return Scope(row[0], site, _ids(conn, nodes, site), f"site {site}")
    row = conn.execute("SELECT lab_id FROM lab WHERE lab_id = %s", [lab]).fetchone()
    if row is None:
        raise NothingToExport(f"no lab {lab}; msl lab list shows them")
    nodes = "SELECT node_id FROM node WHERE lab_id = %s ORDER BY node_id"
    return Scope(row[0], None, _ids(conn, nodes, row[0]), f"lab {row[0]}")


def _ids(conn: psycopg.Connection, sql: str, value: str) -> list[str]:
    return [node_id for (node_id,) in conn.execute(sql.encode(), [value]).fetchall()]


def query(stream: Stream, grain: Grain) -> str:
    """Takes node_ids, site, from_t and to_t; for days from_day and to_day. Ordered."""
    wanted = ", ".join(f"{c.sql} AS {c.name}" for c in columns(stream, grain))
    source, bounds, order = _source(stream, grain)
    barred = _BARRED.format(stream=stream) if grain is Grain.RAW else ""
    # Every part is one of our own constants; values are parameters.
    return (
        f"{barred} SELECT {wanted} FROM {source}"  # noqa: S608
        f" WHERE r.node_id = ANY(%(node_ids)s::text[]) AND {bounds}"
        f" AND (%(site)s::text IS NULL OR d.site_id = %(site)s) AND {_ALLOWED} ORDER BY {order}"
    )


def _source(stream: Stream, grain: Grain) -> tuple[str, str, str]:
    """FROM, its bounds in time, and the order."""
    lines = stream is Stream.FOOTFALL
    if grain is Grain.RAW:
        source = f"{stream}_raw AS r {_PLACE.format(deployment=_AT_THE_TIME)}"
        source += _LINES if lines else ""
        if lines:
            source += _CALIBRATION_LINES
        elif stream is not Stream.HEALTH:
            source += _CALIBRATION_RAW.format(stream=stream)
        source += " LEFT JOIN origin AS o ON o.origin_id = r.origin_id"
        order = "r.t, r.node_id, r.spool, r.seq" + (", l.line" if lines else "")
        return source, "r.t >= %(from_t)s AND r.t < %(to_t)s", order
    view = f"{'footfall_line' if lines else stream.value}_{grain.value}"
    source = f"{view} AS r {_PLACE.format(deployment='d.deployment_id = r.deployment_id')}"
    source += "" if stream is Stream.HEALTH else _CALIBRATION_VIEW
    at = "hour" if grain is Grain.HOUR else "local_day"
    bounds = (
        "r.hour >= %(from_t)s AND r.hour < %(to_t)s"
        if grain is Grain.HOUR
        else "r.local_day >= %(from_day)s AND r.local_day < %(to_day)s"
    )
    rest = ["r.excluded", "r.deployment_id", *([] if stream is Stream.HEALTH else ["c.from_t"])]
    order = ", ".join([f"r.{at}", "r.node_id", *(["r.line"] if lines else []), *rest])
    return source, bounds, order


@contextmanager
def rows(
    conn: psycopg.Connection,
    stream: Stream,
    grain: Grain,
    scope: Scope,
    from_t: datetime,
    to_t: datetime,
    days: tuple[date, date],
    *,
    timeout_s: float = 0,
) -> Iterator[Iterator[list[tuple[Any, ...]]]]:
    """Rows in blocks of `FETCH_ROWS`, as of one moment, through a cursor on the server.

    Args:
        days: For `Grain.DAY`: from this date, before that one.
        timeout_s: Longest wait for a block; 0 is for ever.
    """
    values = {
        "node_ids": scope.node_ids,
        "site": scope.site,
        "from_t": from_t,
        "to_t": to_t,
        "from_day": days[0],
        "to_day": days[1],
    }
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        conn.execute(f"SET LOCAL statement_timeout = {timeout_s * 1000:.0f}".encode())
        with conn.cursor(name="export") as cursor:
            cursor.execute(query(stream, grain).encode(), values)
            yield _blocks(cursor)


def _blocks(cursor: "psycopg.ServerCursor[Any]") -> Iterator[list[tuple[Any, ...]]]:
    while block := cursor.fetchmany(FETCH_ROWS):
        yield block
