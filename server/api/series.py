"""A page of a series: which nodes, over which time, at which grain."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from psycopg.rows import dict_row

from contract.flags import bits_to_flags
from contract.streams import Stream
from server.api.errors import not_found
from server.api.fleet import Connection
from server.api.series_models import Grain, Row, Series, SeriesStream
from server.api.series_sql import LINE_QUANTITIES, Source, source
from server.api.zones import site_zone


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for; exactly one of node and site is given, times are aware."""

    stream: SeriesStream
    grain: Grain
    node: str | None
    site: str | None
    from_t: datetime
    to_t: datetime
    limit: int


@dataclass(frozen=True, slots=True)
class _Who:
    """Nodes, or stays of nodes, with the time in which each counts, and the zone of their days.

    A stay is None where the node counts wherever it stood.
    """

    node_ids: list[str]
    stays: list[int | None]
    from_ts: list[datetime]
    to_ts: list[datetime]
    tz: str | None


def load_series(conn: Connection, ask: Question) -> Series:
    """One page, oldest first.

    Raises:
        ApiError: 404 when the node or site doesn't exist.
    """
    raw = ask.grain is Grain.RAW
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        who = _of_node(conn, ask) if ask.node is not None else _of_site(conn, ask)
        of = source(Stream(ask.stream.value), ask.grain)
        found = _raw_page(conn, of, ask, who) if raw else _view_page(conn, of, ask, who)
    rows = [_row(row, ask.grain, of.units) for row in found]
    return Series(
        stream=ask.stream,
        grain=ask.grain,
        corrected=not raw,
        units=of.units,
        rows=sorted(rows, key=lambda row: (row.t or row.day, row.node, row.line or "")),
        next=_next(found, ask, who.tz),
    )


def _raw_page(conn: Connection, of: Source, ask: Question, who: _Who) -> list[dict[str, Any]]:
    """The first moments of each stay, merged and cut where the page is full: at a moment's end."""
    found: list[dict[str, Any]] = []
    for node_id, from_t, to_t in zip(who.node_ids, who.from_ts, who.to_ts, strict=True):
        keys = {"node_id": node_id, "from_t": from_t, "to_t": to_t, "limit": ask.limit}
        found += _rows(conn, of, keys)
    times = sorted(row["t"] for row in found)
    if len(times) <= ask.limit:
        return found
    return [row for row in found if row["t"] <= times[ask.limit - 1]]


def _view_page(conn: Connection, of: Source, ask: Question, who: _Who) -> list[dict[str, Any]]:
    """Rows of views belong to a stay, so the hour or day in which it begins is in it as well."""
    keys = {
        "node_ids": who.node_ids,
        "stays": who.stays,
        "from_t": ask.from_t,
        "to_t": ask.to_t,
        "limit": ask.limit,
        "tz": site_zone(who.tz).key,
    }
    return _rows(conn, of, keys)


def _rows(conn: Connection, of: Source, keys: dict[str, Any]) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(of.query, keys).fetchall()


def _of_node(conn: Connection, ask: Question) -> _Who:
    row = conn.execute(
        "SELECT s.tz FROM node n LEFT JOIN deployment d ON d.node_id = n.node_id"
        " AND d.from_t <= now() AND coalesce(d.to_t, 'infinity') > now()"
        " LEFT JOIN site s ON s.site_id = d.site_id WHERE n.node_id = %s",
        [ask.node],
    ).fetchone()
    if row is None:
        raise not_found("node", ask.node or "", try_this="/api/v1/nodes lists them")
    return _Who([ask.node or ""], [None], [ask.from_t], [ask.to_t], row[0])


def _of_site(conn: Connection, ask: Question) -> _Who:
    """A node belongs to a site only while it stands there."""
    site = conn.execute("SELECT tz FROM site WHERE site_id = %s", [ask.site]).fetchone()
    if site is None:
        raise not_found("site", ask.site or "", try_this="/api/v1/registry/sites lists them")
    stays = conn.execute(
        "SELECT node_id, deployment_id, greatest(from_t, %(from_t)s),"
        " least(coalesce(to_t, 'infinity'), %(to_t)s) FROM deployment"
        " WHERE site_id = %(site)s AND from_t < %(to_t)s"
        " AND coalesce(to_t, 'infinity') > %(from_t)s ORDER BY node_id, from_t",
        {"site": ask.site, "from_t": ask.from_t, "to_t": ask.to_t},
    ).fetchall()
    columns = list(zip(*stays, strict=True)) or [()] * 4
    node_ids, numbers, from_ts, to_ts = (list(column) for column in columns)
    return _Who(node_ids, numbers, from_ts, to_ts, site[0])


def _row(row: dict[str, Any], grain: Grain, units: dict[str, str]) -> Row:
    return Row(
        node=row["node_id"],
        t=None if grain is Grain.DAY else row["t"],
        day=row["t"] if grain is Grain.DAY else None,
        line=row["line"],
        dur_s=row["dur_s"],
        valid_s=row["valid_s"],
        records_n=row["records_n"],
        flags=bits_to_flags(row["flags"]),
        excluded=row["excluded"],
        calibration_id=row["calibration_id"],
        values={name: row[name] for name in _names(row, units)},
    )


def _names(row: dict[str, Any], units: dict[str, str]) -> list[str]:
    """The quantities that a row of its kind can have: a line counts, the scene has the rest."""
    if "a_to_b" not in units:
        return list(units)
    return [name for name in units if (name in LINE_QUANTITIES) == (row["line"] is not None)]


def _next(found: list[dict[str, Any]], ask: Question, tz: str | None) -> datetime | None:
    """Where the next page begins: just after the last moment of this one, if it was full."""
    if len(found) < ask.limit:
        return None
    last = max(row["t"] for row in found)
    begins = (
        _day_after(last, tz)
        if isinstance(last, date) and not isinstance(last, datetime)
        else last + (timedelta(hours=1) if ask.grain is Grain.HOUR else timedelta(milliseconds=1))
    )
    return begins if begins < ask.to_t else None


def _day_after(day: date, tz: str | None) -> datetime:
    """First moment (UTC) of the next local day."""
    return datetime.combine(day + timedelta(days=1), time(), site_zone(tz)).astimezone(UTC)
