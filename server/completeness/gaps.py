"""What is missing, with its cause where one is known.

A gap in `seq` is a record that was made and isn't here. A gap in time is one that was never made:
the node was off. Times of a gap in `seq` are those of its neighbours.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from contract.streams import Stream

# What each cause means, for people.
CAUSES = {
    "awaited": "not received; the node still holds it",
    "spool_overflow": "the node's spool was full and its oldest records went",
    "quarantine": "the node set it aside: never acknowledged",
    "below_low": "the node no longer holds it, and did not say why",
    "node_restarted": "the node was off",
    "never_seen": "nothing was ever received from this node",
}

# Of several reasons for one range, the node's own word before what its `low` implied.
_OF_SEQ = """
WITH named AS (
    SELECT x.node_id, x.spool, x.stream, x.cause, x.detail, max(x.at) AS at,
           range_agg(int8range(x.first_seq, x.last_seq, '[]')) AS ranges
    FROM loss AS x WHERE x.cause <> 'below_low'
      AND (%(node)s::text IS NULL OR x.node_id = %(node)s)
    GROUP BY x.node_id, x.spool, x.stream, x.cause, x.detail
), known AS (
    SELECT node_id, spool, stream, range_agg(r) AS ranges
    FROM named, unnest(named.ranges) AS r GROUP BY node_id, spool, stream
), gap AS (
    SELECT node_id, stream, spool, first_seq, last_seq, 'awaited' AS cause, NULL AS detail
    FROM ledger_gap
    UNION ALL
    SELECT l.node_id, l.stream, l.spool, lower(r), upper(r) - 1, n.cause, n.detail
    FROM ledger AS l JOIN named AS n USING (node_id, spool, stream),
         unnest(l.lost * n.ranges) AS r
    UNION ALL
    SELECT l.node_id, l.stream, l.spool, lower(r), upper(r) - 1, 'below_low', NULL
    FROM ledger AS l LEFT JOIN known AS k USING (node_id, spool, stream),
         unnest(l.lost - coalesce(k.ranges, '{}')) AS r
)
SELECT node_id, stream, spool, first_seq, last_seq, NULL::timestamptz AS from_t,
       NULL::timestamptz AS to_t, cause, detail
FROM gap WHERE %(node)s::text IS NULL OR node_id = %(node)s
ORDER BY node_id, stream, spool, first_seq, cause
"""
_RESTARTS = """
SELECT e.node_id, NULL AS stream, e.spool, NULL::bigint AS first_seq, NULL::bigint AS last_seq,
       to_timestamp((e.body ->> 'down_from')::bigint / 1000.0) AS from_t,
       to_timestamp((e.body ->> 'down_to')::bigint / 1000.0) AS to_t,
       'node_restarted' AS cause, e.body ->> 'reason' AS detail
FROM event_raw AS e
WHERE e.kind = 'restart' AND e.body ->> 'down_from' IS NOT NULL
  AND e.body ->> 'down_to' IS NOT NULL AND e.t >= %(since)s
  AND (%(node)s::text IS NULL OR e.node_id = %(node)s)
ORDER BY e.node_id, e.t
"""
_NEVER_SEEN = """
SELECT n.node_id, NULL AS stream, NULL AS spool, NULL::bigint AS first_seq,
       NULL::bigint AS last_seq, d.from_t, NULL::timestamptz AS to_t, 'never_seen' AS cause,
       n.state::text AS detail
FROM node AS n
LEFT JOIN LATERAL (SELECT min(from_t) AS from_t FROM deployment AS x
                   WHERE x.node_id = n.node_id) AS d ON true
WHERE n.state IN ('installed', 'commissioned', 'maintenance')
  AND NOT EXISTS (SELECT FROM ledger AS l WHERE l.node_id = n.node_id)
  AND (%(node)s::text IS NULL OR n.node_id = %(node)s)
ORDER BY n.node_id
"""
# One look at raw for all gaps of a line: raw has no index by seq, which nothing else needs.
_NEIGHBOURS = {
    stream: f"SELECT seq, t, dur_s FROM {stream}_raw WHERE (node_id, spool) = (%s, %s)"  # noqa: S608
    " AND seq = ANY(%s)"
    for stream in Stream
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something missing.

    Attributes:
        stream: None: every stream.
        first_seq, last_seq: Both included; None where no record was ever made.
        from_t, to_t: Between which times; None where a neighbour isn't known.
        cause: A key of `CAUSES`.
        detail: What the node said.
    """

    node_id: str
    stream: str | None
    spool: str | None
    first_seq: int | None
    last_seq: int | None
    from_t: datetime | None
    to_t: datetime | None
    cause: str
    detail: str | None

    @property
    def records_n(self) -> int | None:
        """How many records are missing; None where none was made."""
        if self.first_seq is None or self.last_seq is None:
            return None
        return self.last_seq - self.first_seq + 1


def read_gaps(
    conn: psycopg.Connection, *, node_id: str | None, since: datetime, limit: int
) -> tuple[list[Gap], int]:
    """Gaps of all nodes or of one, and how many there are in all.

    Args:
        since: Restarts before this are left out; gaps in `seq` are listed whatever their age.
        limit: At most so many of each kind.
    """
    values = {"node": node_id, "since": since}
    found: list[list[Gap]] = []
    with conn.cursor(row_factory=class_row(Gap)) as cur:
        for query in (_NEVER_SEEN, _OF_SEQ, _RESTARTS):
            found.append(cur.execute(query, values).fetchall())
    never, of_seq, restarts = found
    listed = [*never[:limit], *_dated(conn, of_seq[:limit]), *restarts[-limit:]]
    return sorted(listed, key=_order), sum(map(len, found))


def _order(gap: Gap) -> tuple[str, str, str, int]:
    return (gap.node_id, gap.stream or "", gap.spool or "", gap.first_seq or 0)


def _dated(conn: psycopg.Connection, gaps: Sequence[Gap]) -> Iterator[Gap]:
    """With the end of the record before each gap and the start of the one after it."""
    of_line: dict[tuple[str, str, str], list[Gap]] = defaultdict(list)
    for gap in gaps:
        of_line[gap.node_id, gap.spool or "", gap.stream or ""].append(gap)
    for (node_id, spool, stream), own in of_line.items():
        wanted = [seq for gap in own for seq in _neighbours(gap)]
        rows = conn.execute(_NEIGHBOURS[Stream(stream)], (node_id, spool, wanted)).fetchall()
        start = {seq: t for seq, t, _ in rows}
        end = {seq: t + timedelta(seconds=dur_s) for seq, t, dur_s in rows}
        for gap in own:
            before, after = _neighbours(gap)
            yield replace(gap, from_t=end.get(before), to_t=start.get(after))


def _neighbours(gap: Gap) -> tuple[int, int]:
    assert gap.first_seq is not None
    assert gap.last_seq is not None
    return gap.first_seq - 1, gap.last_seq + 1
