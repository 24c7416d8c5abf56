"""Calibrations that nodes have sent as events, and their acceptance.

Accepting is an explicit act: a calibration changes every number of its node from then on, and
whoever holds a node's key could send one. An engineer looks at what was found and left, and at the
reference, and answers for it in the audit.
"""

from datetime import datetime
from typing import Any

import msgspec
import psycopg

from server.registry import change
from server.registry.entries import Calibration
from server.registry.errors import NotFound, RegistryError
from server.registry.read import Row

_EVENTS = """
SELECT e.node_id || '/' || e.spool || '/' || e.seq AS event, e.node_id, e.t, e.body,
       c.calibration_id
FROM event_raw AS e
LEFT JOIN calibration AS c ON c.event = e.node_id || '/' || e.spool || '/' || e.seq
    AND c.revoked_at IS NULL
WHERE e.kind = 'calibration'"""


def pending(conn: psycopg.Connection, node_id: str | None = None) -> list[Row]:
    """Calibration events that nobody has accepted yet, oldest first."""
    rows = conn.execute(
        f"{_EVENTS} AND c.calibration_id IS NULL"
        " AND (%(node)s::text IS NULL OR e.node_id = %(node)s) ORDER BY e.t",
        {"node": node_id},
    ).fetchall()
    return [
        {"event": event, "node_id": node, "t": t} | {k: v for k, v in body.items() if k != "kind"}
        for event, node, t, body, _ in rows
    ]


def accept(conn: psycopg.Connection, event: str, from_t: datetime | None = None) -> Row:
    """Make a calibration of an event (node/spool/seq); call within `changing`.

    Args:
        from_t: Since when it holds; the event's own time unless given.

    Raises:
        NotFound: No such calibration event has been stored.
        RegistryError: It was accepted before.
    """
    found = conn.execute(
        f"{_EVENTS} AND e.node_id || '/' || e.spool || '/' || e.seq = %s"
        " AND e.node_id = split_part(%s, '/', 1)",
        [event, event],
    ).fetchone()
    if found is None:
        raise NotFound(f"no calibration event {event!r}; see msl calibration pending")
    _, node_id, t, body, calibration_id = found
    if calibration_id is not None:
        raise RegistryError(f"event {event} was accepted as calibration {calibration_id}")
    wanted: dict[str, Any] = {
        name: body[name]
        for name in ("quantity", "gain", "offset", "uncertainty", "reference")
        if body.get(name) is not None
    }
    entry = msgspec.convert(
        wanted | {"node_id": node_id, "from_t": from_t or t, "event": event}, Calibration
    )
    return change.add(conn, entry)
