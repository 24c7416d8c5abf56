"""How far each stream of each node is whole, from the ledger alone."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

_LINES = """
SELECT n.node_id, l.stream, l.spool, complete_to(l) AS complete_to,
       coalesce(upper(accounted(l)) - 1, 0) AS highest,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(l.stored) AS r)
           AS stored_n,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(l.held) AS r) AS held_n,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(l.rejected) AS r)
           AS rejected_n,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(l.lost) AS r) AS lost_n,
       (SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint FROM ledger_gap AS g
        WHERE (g.node_id, g.spool, g.stream) = (l.node_id, l.spool, l.stream)) AS awaited_n,
       l.last_at, l.last_new_at
FROM node AS n JOIN ledger AS l USING (node_id)
WHERE %(node)s::text IS NULL OR n.node_id = %(node)s
ORDER BY n.node_id, l.stream, l.first_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One stream of one spool; `seq` counts from 1.

    Attributes:
        complete_to: Highest `seq` up to which nothing is missing.
        highest: Highest `seq` that anything is known of.
        held_n, rejected_n: Received, but put aside: doubtful time, or the dead letter.
        lost_n: Declared by the node as gone for good.
        awaited_n: Missing below `highest`; the node still holds them.
    """

    node_id: str
    stream: str
    spool: str
    complete_to: int
    highest: int
    stored_n: int
    held_n: int
    rejected_n: int
    lost_n: int
    awaited_n: int
    last_at: datetime
    last_new_at: datetime | None


def read_lines(conn: psycopg.Connection, node_id: str | None = None) -> list[Line]:
    """All lines of `seq`, or those of one node, a replaced spool before its successor."""
    with conn.cursor(row_factory=class_row(Line)) as cur:
        return cur.execute(_LINES, {"node": node_id}).fetchall()
