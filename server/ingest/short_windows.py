"""Counts of less than five minutes that come one after the other would follow single people.

A window of counts is 300 s at least. A shorter one (`PARTIAL`) is what a start or stop leaves, so
there is one beside another only when something makes them on purpose. The second is kept aside.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg

from contract.flags import Flag, flags_to_bits
from contract.limits import MIN_FOOTFALL_WINDOW_S
from contract.streams import Stream
from server.ingest.rows import Mask, Rows

_SIMULATED = flags_to_bits([Flag.SIMULATED])
_STORED = """
SELECT EXISTS (
    SELECT FROM footfall_raw
    WHERE node_id = %(node)s AND dur_s < %(least)s AND valid_s > 0 AND flags & %(simulated)s = 0
      AND t > %(t)s - make_interval(secs => %(least)s)
      AND t < %(t)s + make_interval(secs => %(least)s))
"""


def too_close(cur: psycopg.Cursor[Any], rows: Rows, new: Mask) -> Mask:
    """Which of the `new` rows are short counts within 300 s of other short counts of their node."""
    found = np.zeros(len(rows), dtype=np.bool_)
    if rows.stream is not Stream.FOOTFALL:
        return found
    short = new & (rows.dur_s < MIN_FOOTFALL_WINDOW_S) & ((rows.flags & _SIMULATED) == 0)
    taken: dict[str, list[int]] = {}
    for at in np.flatnonzero(short).tolist():
        if rows.records[at].valid_s == 0:
            continue
        node_id, t_ms = rows.keys[rows.key[at]].node_id, int(rows.t_ms[at])
        near = taken.setdefault(node_id, [])
        found[at] = any(
            abs(t_ms - other) < MIN_FOOTFALL_WINDOW_S * 1000 for other in near
        ) or _is_stored(cur, node_id, t_ms)
        if not found[at]:
            near.append(t_ms)
    return found


def _is_stored(cur: psycopg.Cursor[Any], node_id: str, t_ms: int) -> bool:
    cur.execute(
        _STORED,
        {
            "node": node_id,
            "t": datetime.fromtimestamp(t_ms / 1000, UTC),
            "least": MIN_FOOTFALL_WINDOW_S,
            "simulated": _SIMULATED,
        },
    )
    row = cur.fetchone()
    return bool(row and row[0])
