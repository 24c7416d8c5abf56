"""Changing the registry: one transaction, one actor, and refusals in plain words."""

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from msgspec import UNSET
from psycopg import sql
from psycopg.rows import dict_row

from server.registry import read
from server.registry.entries import TABLE, Deployment, Entry, Exclusion, Intervention, Site
from server.registry.errors import RegistryError
from server.registry.read import Row

_REFERS = ("lab_id", "site_id", "node_id")


@contextmanager
def changing(conn: psycopg.Connection, actor: str) -> Iterator[None]:
    """A transaction whose changes the audit records as `actor`'s; all of it happens, or nothing.

    Raises:
        RegistryError: What PostgreSQL refused, in plain words.
    """
    try:
        with conn.transaction():
            conn.execute("SELECT set_config('msl.actor', %s, true)", [actor])
            yield
    except psycopg.errors.CheckViolation as error:
        raise RegistryError(f"refused by {error.diag.constraint_name}: check the values") from error


def add(conn: psycopg.Connection, entry: Entry) -> Row:
    """Enter a new row and return it; raises `RegistryError` if it is there or doesn't fit."""
    _check(conn, entry)
    return _insert(conn, entry)


def ensure(conn: psycopg.Connection, entry: Entry) -> Row | None:
    """Make the row be as `entry` says; return it when that changed anything, else None.

    Dated rows (calibration, lamp, exclusion, clock correction) are never rewritten: one that is
    there but says something else is refused.
    """
    _check(conn, entry)
    table, key = TABLE[type(entry)]
    existing = _existing(conn, table, {name: getattr(entry, name) for name in key})
    if existing is None:
        return _insert(conn, entry)
    columns = {name: value for name, value in _columns(entry).items() if name not in key}
    changed = {name: value for name, value in columns.items() if existing[name] != value}
    result = _arms_changed(conn, entry)
    if not changed:
        return existing if result else None
    if table in {"calibration", "lamp", "exclusion", "clock_correction"}:
        raise RegistryError(
            f"{_named(entry)} is there with {', '.join(f'{n} {existing[n]}' for n in changed)};"
            f" dated rows are not rewritten: revoke it and enter another"
        )
    return _update(conn, table, {name: existing[name] for name in key}, changed)


def set_columns(conn: psycopg.Connection, table: str, key: str | int, **values: Any) -> Row:
    """Change columns of the row `key` and return it; raises `NotFound`."""
    read.shown(conn, table, key)
    return _update(conn, table, {read.KEY[table]: key}, values)


def revoke(conn: psycopg.Connection, table: str, key: int) -> Row:
    """Let a dated row count no longer; raises `RegistryError` if it doesn't now."""
    row = read.shown(conn, table, key)
    if row["revoked_at"] is not None:
        raise RegistryError(f"{table} {key} was revoked at {row['revoked_at']:%Y-%m-%d %H:%M} UTC")
    return _update(conn, table, {read.KEY[table]: key}, {"revoked_at": datetime.now(UTC)})


def check_zone(name: str) -> None:
    """Raise `RegistryError` unless `name` is an IANA time zone."""
    known = zoneinfo.available_timezones()
    if name in known:
        return
    near = sorted(k for k in known if name.lower() in k.lower())[:3]
    hint = f"; did you mean {', '.join(near)}?" if near and name else "; such as Europe/Berlin"
    raise RegistryError(f"{name!r} is not a time zone{hint}")


def _check(conn: psycopg.Connection, entry: Entry) -> None:
    """What the database would refuse with less grace."""
    table, key = TABLE[type(entry)]
    for name in _REFERS:
        value = getattr(entry, name, None)
        if value is not None and (name,) != key:
            read.shown(conn, name.removesuffix("_id"), value)
    if isinstance(entry, Site):
        check_zone(entry.tz)
    if isinstance(entry, Exclusion) and (entry.node_id is None) == (entry.site_id is None):
        raise RegistryError("exclusion: name either a node or a site")
    from_t, to_t = getattr(entry, "from_t", None), getattr(entry, "to_t", None)
    if isinstance(from_t, datetime) and isinstance(to_t, datetime) and to_t <= from_t:
        raise RegistryError(
            f"{table}: its end {to_t.isoformat()} is not after its begin {from_t.isoformat()}"
        )
    if isinstance(entry, Intervention):
        _check_arms(conn, entry)
    if isinstance(entry, Deployment):
        _check_created(conn, entry)


def _check_created(conn: psycopg.Connection, entry: Deployment) -> None:
    created_at = read.shown(conn, "node", entry.node_id)["created_at"]
    if entry.from_t < created_at:
        raise RegistryError(
            f"{entry.node_id} was created {created_at.isoformat()}, after"
            f" {entry.from_t.isoformat()}: its records of the time between are held;"
            f" first: msl node set {entry.node_id} --created TIME"
        )


def _check_arms(conn: psycopg.Connection, entry: Intervention) -> None:
    if entry.arms is UNSET:
        return
    arm_of: dict[str, str] = {}
    for arm, sites in entry.arms.items():
        for site_id in sites:
            read.shown(conn, "site", site_id)
            if arm_of.setdefault(site_id, arm) != arm:
                raise RegistryError(
                    f"{entry.intervention_id}: site {site_id} is both {arm_of[site_id]} and {arm}"
                )


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        name: getattr(entry, name)
        for name in entry.__struct_fields__
        if getattr(entry, name) is not UNSET and name != "arms"
    }


def _existing(conn: psycopg.Connection, table: str, key: dict[str, Any]) -> Row | None:
    same: list[sql.Composable] = [
        sql.SQL("{} IS NOT DISTINCT FROM %s").format(sql.Identifier(name)) for name in key
    ]
    if table in {"calibration", "lamp", "exclusion"}:
        same.append(sql.SQL("revoked_at IS NULL"))
    query = sql.SQL("SELECT * FROM {} WHERE {}").format(
        sql.Identifier(table), sql.SQL(" AND ").join(same)
    )
    return conn.cursor(row_factory=dict_row).execute(query, list(key.values())).fetchone()


def _insert(conn: psycopg.Connection, entry: Entry) -> Row:
    table, _key = TABLE[type(entry)]
    columns = _columns(entry)
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    try:
        with conn.transaction():
            row = conn.cursor(row_factory=dict_row).execute(query, list(columns.values()))
            found = row.fetchone()
            assert found is not None
            _arms_changed(conn, entry)
            return found
    except psycopg.errors.UniqueViolation as error:
        raise RegistryError(f"{_named(entry)} is there already") from error
    except psycopg.errors.ExclusionViolation as error:
        assert isinstance(entry, Deployment)
        raise RegistryError(_in_the_way(conn, entry)) from error


def _update(
    conn: psycopg.Connection, table: str, key: dict[str, Any], values: dict[str, Any]
) -> Row:
    def equals(names: dict[str, Any]) -> list[sql.Composed]:
        return [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in names]

    query = sql.SQL("UPDATE {} SET {} WHERE {} RETURNING *").format(
        sql.Identifier(table),
        sql.SQL(", ").join(equals(values)),
        sql.SQL(" AND ").join(equals(key)),
    )
    parameters = [*values.values(), *key.values()]
    row = conn.cursor(row_factory=dict_row).execute(query, parameters).fetchone()
    assert row is not None
    return row


def _arms_changed(conn: psycopg.Connection, entry: Entry) -> bool:
    """Make an intervention's arms what `entry` says; True when they weren't."""
    if not isinstance(entry, Intervention) or entry.arms is UNSET:
        return False
    wanted = {(site, arm) for arm, sites in entry.arms.items() for site in sites}
    there = {
        (site, arm)
        for arm, sites in read.arms(conn, entry.intervention_id).items()
        for site in sites
    }
    for site, arm in there - wanted:
        conn.execute(
            "DELETE FROM intervention_site WHERE (intervention_id, site_id, arm) = (%s, %s, %s)",
            [entry.intervention_id, site, arm],
        )
    for site, arm in wanted - there:
        conn.execute(
            "INSERT INTO intervention_site (intervention_id, site_id, arm) VALUES (%s, %s, %s)",
            [entry.intervention_id, site, arm],
        )
    return wanted != there


def _named(entry: Entry) -> str:
    table, key = TABLE[type(entry)]
    said = [_said(getattr(entry, name)) for name in key if getattr(entry, name) is not None]
    return f"{table.replace('_', ' ')} {' '.join(said)}"


def _said(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _in_the_way(conn: psycopg.Connection, entry: Deployment) -> str:
    to_t = None if entry.to_t is UNSET else entry.to_t
    row = conn.execute(
        "SELECT site_id, from_t, to_t FROM deployment WHERE node_id = %s"
        " AND tstzrange(from_t, to_t) && tstzrange(%s, %s) ORDER BY from_t LIMIT 1",
        [entry.node_id, entry.from_t, to_t],
    ).fetchone()
    assert row is not None
    site_id, since, until = row
    stay = f"from {since.isoformat()} " + (f"to {until.isoformat()}" if until else "on")
    return (
        f"{entry.node_id} is at {site_id} {stay}: a node is in one place at a time;"
        f" end that first: msl deployment end {entry.node_id} --at TIME"
    )
