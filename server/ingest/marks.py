"""Marks: which hours' rollups the worker has to recompute after this transaction."""

from typing import Any

import numpy as np
import psycopg

from contract.streams import Stream
from server.ingest.arrays import TextArray, TimestampArray
from server.ingest.rows import Mask, Rows

ROLLED_UP = frozenset({Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL, Stream.HEALTH})
_HOUR_MS = 3_600_000

_APPEND = """
INSERT INTO rollup_mark (node_id, stream, hour)
SELECT node_id, %(stream)s, hour
FROM unnest(%(node_id)s::text[], %(hour)s::timestamptz[]) AS m(node_id, hour)
"""


def append_marks(cur: psycopg.Cursor[Any], rows: Rows, accepted: Mask) -> None:
    """Append a mark for every node and UTC hour in which a row was accepted."""
    if rows.stream not in ROLLED_UP or not accepted.any():
        return
    # Two keys may be one node's (a replaced spool): a second mark of an hour does no harm.
    pairs = np.unique(
        np.stack([rows.key[accepted], rows.t_ms[accepted] // _HOUR_MS], axis=1), axis=0
    )
    cur.execute(
        _APPEND,
        {
            "stream": rows.stream.value,
            "node_id": TextArray(rows.keys[k].node_id for k in pairs[:, 0].tolist()),
            "hour": TimestampArray(pairs[:, 1] * _HOUR_MS),
        },
    )
