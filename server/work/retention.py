"""What is kept only so long: raw chunks past their time, walk tests after a day, and upkeep.

`loss` and held records aren't among it: they are part of what the ledger says, and live as long.

A stream is sealed first, in a transaction of its own: from then on ingest holds what is older and
no mark can appear there. Its chunks go once the marks that were there have been worked off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

WALK_TEST_KEPT = timedelta(hours=24)
# A year's seasons and a month to look back on it; each node's newest stays for good.
NODE_STATUS_KEPT = timedelta(days=400)
# A nonce is asked for within minutes of a check.
BATCH_NONCE_KEPT = timedelta(days=30)

_SEAL = "UPDATE rollup_seal SET before = %s WHERE stream = %s AND before < %s"
_NODE_STATUS = """
DELETE FROM node_status AS old WHERE received_at < %s AND EXISTS (
    SELECT FROM node_status AS newer
    WHERE newer.node_id = old.node_id AND newer.received_at > old.received_at)
"""


@dataclass(frozen=True)
class Removed:
    """What one round of retention took away."""

    chunks_n: int
    walk_tests_n: int


def retain(
    conn: psycopg.Connection, keep_days: Mapping[str, int], now: datetime | None = None
) -> Removed:
    """Seal and drop raw data older than `keep_days` (stream: days), in whole UTC days.

    Args:
        conn: In autocommit mode, of a role that may.
        now: For tests; aware.
    """
    at = now or datetime.now(UTC)
    today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    chunks_n = 0
    for stream, days in keep_days.items():
        before = today - timedelta(days=days)
        conn.execute(_SEAL, [before, stream, before])
        row = conn.execute("SELECT drop_sealed(%s)", [stream]).fetchone()
        chunks_n += row[0] if row else 0
    gone = conn.execute("DELETE FROM walk_test WHERE received_at < %s", [at - WALK_TEST_KEPT])
    conn.execute(_NODE_STATUS, [at - NODE_STATUS_KEPT])
    conn.execute("DELETE FROM batch_nonce WHERE received_at < %s", [at - BATCH_NONCE_KEPT])
    return Removed(chunks_n, gone.rowcount)
