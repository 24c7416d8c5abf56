"""Manual tallies that nodes have sent as events, and their acceptance.

As with calibrations, somebody answers for each: whoever holds a node's key could send one.
"""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from scipy.special import betaincinv

from contract.lux_bands import lux_band
from server.registry.errors import NotFound, RegistryError
from server.registry.read import Row

_EVENT = "e.node_id || '/' || e.spool || '/' || e.seq"
_EVENTS = f"""
SELECT {_EVENT} AS event, e.node_id, e.t, e.body, v.validation_id
FROM event_raw AS e
LEFT JOIN validation AS v ON v.event = {_EVENT} AND v.revoked_at IS NULL
WHERE e.kind = 'validation'"""  # noqa: S608 - the expression is our own
# What counted at that time; a change in the middle makes the tally one of two counters.
_COUNTER = """
SELECT DISTINCT o.rev, r.geometry_rev FROM footfall_raw AS r JOIN origin AS o USING (origin_id)
WHERE r.node_id = %s
  AND r.t >= to_timestamp(%s / 1000.0) AND r.t < to_timestamp(%s / 1000.0)
"""
_ADD = """
INSERT INTO validation (node_id, line, from_t, to_t, manual_a_to_b, manual_b_to_a, counted_a_to_b,
                        counted_b_to_a, lux_p50, lux_band, rev, geometry_rev, operator, event)
VALUES (%(node_id)s, %(line)s, to_timestamp(%(from_t)s / 1000.0), to_timestamp(%(to_t)s / 1000.0),
        %(manual_a_to_b)s, %(manual_b_to_a)s, %(counted_a_to_b)s, %(counted_b_to_a)s, %(lux_p50)s,
        %(lux_band)s, %(rev)s, %(geometry_rev)s, %(operator)s, %(event)s)
RETURNING *
"""


def pending(conn: psycopg.Connection, node_id: str | None = None) -> list[Row]:
    """Validation events that nobody has accepted yet, oldest first, with their factor."""
    rows = conn.execute(
        f"{_EVENTS} AND v.validation_id IS NULL"
        " AND (%(node)s::text IS NULL OR e.node_id = %(node)s) ORDER BY e.t",
        {"node": node_id},
    ).fetchall()
    return [
        with_factor({"event": event, "node_id": node, "t": t} | _said(body))
        for event, node, t, body, _ in rows
    ]


def accepted(conn: psycopg.Connection, node_id: str | None = None) -> list[Row]:
    """Validations that count, with their factor, by node, line and time."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "SELECT * FROM validation WHERE revoked_at IS NULL"
        " AND (%(node)s::text IS NULL OR node_id = %(node)s) ORDER BY node_id, line, from_t",
        {"node": node_id},
    )
    return [with_factor(row) for row in cursor.fetchall()]


def accept(conn: psycopg.Connection, event: str) -> Row:
    """Make a validation of an event (node/spool/seq); call within `changing`.

    Raises:
        NotFound: No such validation event has been stored.
        RegistryError: It was accepted before, or its windows are not here (yet), or two
            different counters made them.
    """
    found = conn.execute(
        f"{_EVENTS} AND {_EVENT} = %s AND e.node_id = split_part(%s, '/', 1)", [event, event]
    ).fetchone()
    if found is None:
        raise NotFound(f"no validation event {event!r}; see msl validation pending")
    _, node_id, _, body, validation_id = found
    if validation_id is not None:
        raise RegistryError(f"event {event} was accepted as validation {validation_id}")
    rev, geometry_rev = _counter(conn, node_id, body)
    values: Row = {"lux_p50": None, "operator": None} | _said(body)
    values |= {"node_id": node_id, "event": event, "rev": rev, "geometry_rev": geometry_rev}
    row = conn.cursor(row_factory=dict_row).execute(_ADD, values).fetchone()
    assert row is not None
    return with_factor(row)


def with_factor(row: Row) -> Row:
    """The row with `factor`, its 95 % interval `low` and `high`, and `n`, crossings by hand.

    Factor is manual / counted; null where the counter saw nobody. The interval is the exact
    conditional one of a ratio of two Poisson counts (Przyborowski and Wilenski, Biometrika 31,
    1940; Clopper-Pearson), as `msl-node validate` prints it.
    """
    manual = row["manual_a_to_b"] + row["manual_b_to_a"]
    counted = row["counted_a_to_b"] + row["counted_b_to_a"]
    low_p = float(betaincinv(manual, counted + 1, 0.025)) if manual else 0.0
    high_p = float(betaincinv(manual + 1, counted, 0.975)) if counted else 1.0
    return row | {
        "n": manual,
        "factor": manual / counted if counted else None,
        "low": low_p / (1 - low_p),
        "high": high_p / (1 - high_p) if counted else None,
    }


def _said(body: Row) -> Row:
    said = {name: value for name, value in body.items() if name != "kind"}
    return said | {"lux_band": lux_band(body.get("lux_p50"))}


def _counter(conn: psycopg.Connection, node_id: str, body: dict[str, Any]) -> tuple[str, int]:
    """Detector and geometry of the windows that were tallied."""
    rows = conn.execute(_COUNTER, [node_id, body["from_t"], body["to_t"]]).fetchall()
    if not rows:
        raise RegistryError(
            f"the windows that {node_id} was tallied against are not here; wait for its spool"
        )
    if len(rows) > 1:
        seen = ", ".join(f"{rev} with geometry {geometry}" for rev, geometry in sorted(rows))
        raise RegistryError(f"two counters made the windows of this tally: {seen}; tally again")
    rev, geometry_rev = rows[0]
    return str(rev), int(geometry_rev)
