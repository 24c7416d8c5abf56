"""Two records with one `seq`: the ledger calls the second a repetition, its time tells otherwise.

Two cards with one spool (a clone, or an old image that ran offline) number different windows alike.
`t` is frozen before a record is first published, so a repetition has the `t` of what is stored.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from contract.json import encode
from server.ingest.arrays import Int8Array, TextArray, TimestampArray
from server.ingest.inbound import Letter
from server.ingest.rows import Mask, Rows

REASON = (
    "seq is taken by a record of another time: two cards with one spool (a clone, or an old"
    " image)? Set up one of them anew"
)

# Floats round a millisecond; the bounds only choose chunks.
_A_SECOND = timedelta(seconds=1)

# LIMIT keeps the planner at one index look-up a row, and the bounds at the chunks in question.
# A released record's t has moved by its correction: such a line isn't judged.
_UNMATCHED = """
SELECT w.ix - 1
FROM unnest(%(t)s::timestamptz[], %(node_id)s::text[], %(spool)s::text[], %(seq)s::int8[])
    WITH ORDINALITY AS w(t, node_id, spool, seq, ix)
LEFT JOIN LATERAL (
    SELECT r.seq FROM {stream}_raw AS r
    WHERE r.t >= %(since)s AND r.t <= %(until)s
      AND (r.t, r.node_id, r.spool, r.seq) = (w.t, w.node_id, w.spool, w.seq) LIMIT 1
) AS raw ON true
LEFT JOIN LATERAL (
    SELECT h.seq FROM held_{stream} AS h
    WHERE (h.t, h.node_id, h.spool, h.seq) = (w.t, w.node_id, w.spool, w.seq) LIMIT 1
) AS held ON true
LEFT JOIN LATERAL (
    SELECT c.spool FROM clock_correction AS c
    WHERE (c.node_id, c.spool) = (w.node_id, w.spool) LIMIT 1
) AS moved ON true
WHERE raw.seq IS NULL AND held.seq IS NULL AND moved.spool IS NULL
"""


def conflicting(cur: psycopg.Cursor[Any], rows: Rows, repeated: Mask, sealed_ms: int) -> Mask:
    """Which of the `repeated` rows are no repetitions; what may be past retention isn't judged.

    To be asked after the new rows have been inserted: two of them may have come together.
    """
    found = np.zeros(len(rows), dtype=np.bool_)
    at = np.flatnonzero(repeated & (rows.t_ms >= sealed_ms))
    if not len(at):
        return found
    t_ms, keys = rows.t_ms[at], [rows.keys[k] for k in rows.key[at].tolist()]
    since, until = (datetime.fromtimestamp(int(ms) / 1000, UTC) for ms in (t_ms.min(), t_ms.max()))
    cur.execute(
        _UNMATCHED.format(stream=rows.stream.value).encode(),
        {
            "t": TimestampArray(t_ms),
            "node_id": TextArray(key.node_id for key in keys),
            "spool": TextArray(key.spool for key in keys),
            "seq": Int8Array(rows.seq[at]),
            "since": since - _A_SECOND,
            "until": until + _A_SECOND,
        },
    )
    for (ix,) in cur.fetchall():
        found[at[ix]] = True
    return found


def letters_of(rows: Rows, chosen: Mask) -> list[Letter]:
    """The chosen rows for the dead letter; their `seq` stays accounted for as it was."""
    letters = []
    for at in np.flatnonzero(chosen).tolist():
        part, record = rows.parts[rows.part[at]], rows.records[at]
        letters.append(
            Letter(
                topic=part.message.topic,
                payload=encode(record),
                reason=REASON,
                received_ms=part.message.received_ms,
                node_id=part.node_id,
                spool=part.key.spool,
                stream=part.key.stream,
                boot=part.boot,
                rev=part.rev,
                sens_db=part.sens_db,
                first=record.seq,
                last=record.seq,
            )
        )
    return letters
