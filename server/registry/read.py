"""Looking things up in the registry, and saying what is near when a name is not there."""

import difflib
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from server.registry.errors import NotFound

Row = dict[str, Any]

KEY = {
    "lab": "lab_id",
    "site": "site_id",
    "node": "node_id",
    "deployment": "deployment_id",
    "calibration": "calibration_id",
    "lamp": "lamp_id",
    "exclusion": "exclusion_id",
    "validation": "validation_id",
    "clock_correction": "correction_id",
    "intervention": "intervention_id",
}
# In which a list is easy to read.
_ORDER = {
    "lab": "lab_id",
    "site": "lab_id, site_id",
    "node": "lab_id, node_id",
    "deployment": "node_id, from_t",
    "calibration": "node_id, quantity, line, from_t",
    "lamp": "node_id, from_t",
    "exclusion": "from_t, exclusion_id",
    "validation": "node_id, line, from_t",
    "clock_correction": "node_id, correction_id",
    "intervention": "lab_id, from_t, intervention_id",
}


def listed(conn: psycopg.Connection, table: str, **equal: str | None) -> list[Row]:
    """Rows of `table`, of those columns in `equal` that are not None."""
    wanted = {name: value for name, value in equal.items() if value is not None}
    where = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in wanted]
    query = sql.SQL("SELECT * FROM {} {} ORDER BY {}").format(
        sql.Identifier(table),
        sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(where)) if where else sql.SQL(""),
        sql.SQL(_ORDER[table]),
    )
    return conn.cursor(row_factory=dict_row).execute(query, list(wanted.values())).fetchall()


def shown(conn: psycopg.Connection, table: str, key: str | int) -> Row:
    """One row by its key; raises `NotFound` with names that are near."""
    column = KEY[table]
    query = sql.SQL("SELECT * FROM {} WHERE {}::text = %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    row = conn.cursor(row_factory=dict_row).execute(query, [str(key)]).fetchone()
    if row is None:
        raise NotFound(_no_such(conn, table, str(key)))
    return row


def arms(conn: psycopg.Connection, intervention_id: str) -> dict[str, list[str]]:
    """Sites of an intervention by arm."""
    found: dict[str, list[str]] = {}
    for arm, site_id in conn.execute(
        "SELECT arm, site_id FROM intervention_site WHERE intervention_id = %s"
        " ORDER BY arm, site_id",
        [intervention_id],
    ):
        found.setdefault(arm, []).append(site_id)
    return found


def _no_such(conn: psycopg.Connection, table: str, key: str) -> str:
    column = KEY[table]
    known = [str(row[column]) for row in listed(conn, table)]
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    thing = table.replace("_", " ")
    if near:
        return f"no {thing} {key!r}; did you mean {', '.join(near)}?"
    if not known:
        return f"no {thing} {key!r}, and none at all yet; see msl {table.replace('_', '-')} --help"
    few = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
    return f"no {thing} {key!r}; there are {few}"


def nodes_now(conn: psycopg.Connection, lab_id: str | None = None) -> list[Row]:
    """Nodes with the site where each is at this moment; null: nowhere."""
    return (
        conn.cursor(row_factory=dict_row)
        .execute(
            "SELECT n.*, d.site_id, d.from_t AS deployed_since FROM node AS n"
            " LEFT JOIN deployment AS d ON d.node_id = n.node_id AND d.from_t <= now()"
            " AND now() < coalesce(d.to_t, 'infinity')"
            " WHERE %(lab)s::text IS NULL OR n.lab_id = %(lab)s ORDER BY n.lab_id, n.node_id",
            {"lab": lab_id},
        )
        .fetchall()
    )
