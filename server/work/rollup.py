"""Recompute marked hours and keep them; no mark is ever lost.

A batch runs under REPEATABLE READ: it recomputes hours from its snapshot and deletes exactly the
marks that the snapshot holds. A mark that commits meanwhile stays, and its hour is done again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg
from psycopg import sql

# Stream of the mark: what is kept for it.
KEPT = {
    "light": ("light_1h",),
    "noise": ("noise_1h",),
    "footfall": ("footfall_1h", "footfall_line_1h"),
    "health": ("health_1h",),
}
# A session that has changed the registry and doesn't commit must not stop the worker for ever.
_LOCK_TIMEOUT = "10s"
_TRIES = 5

# Whole hours in the index's order, so that all marks of one are worked off together.
_SOME_HOURS = """
SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = %s ORDER BY node_id, hour LIMIT %s"""
_FORGET = """
DELETE FROM {kept} AS k USING unnest(%s::text[], %s::timestamptz[]) AS w(node_id, hour)
WHERE k.node_id = w.node_id AND k.hour = w.hour"""
_KEEP = "INSERT INTO {kept} SELECT * FROM {hours_of}(%s::text[], %s::timestamptz[])"
_CLEAR = """
DELETE FROM rollup_mark AS m USING unnest(%s::text[], %s::timestamptz[]) AS w(node_id, hour)
WHERE m.stream = %s AND m.node_id = w.node_id AND m.hour = w.hour"""


def roll_up(conn: psycopg.Connection, batch_hours: int = 5000) -> int:
    """Work until no mark is left; return how many hours were recomputed.

    Args:
        conn: In autocommit mode, of a role that may.
        batch_hours: Node-hours that one transaction recomputes, with all their marks.

    Raises:
        psycopg.errors.LockNotAvailable: A registry change has been open for 10 s; come again.
        psycopg.errors.SerializationFailure: Another worker was in the way five times over.
    """
    hours_n = 0
    for stream in KEPT:
        while done_n := _retried(conn, stream, batch_hours):
            hours_n += done_n
    return hours_n


def _retried(conn: psycopg.Connection, stream: str, batch_hours: int) -> int:
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            with _no_registry_change(conn):
                return _one_batch(conn, stream, batch_hours)
        except psycopg.errors.SerializationFailure:
            if last:
                raise
    raise AssertionError("unreachable")


@contextmanager
def _no_registry_change(conn: psycopg.Connection) -> Iterator[None]:
    """Keep transactions that change the registry out (see migration 0005).

    The lock comes before the transaction: within it, waiting for the lock would already have taken
    the snapshot.
    """
    conn.execute("SELECT set_config('lock_timeout', %s, false)", [_LOCK_TIMEOUT])
    conn.execute("SELECT pg_advisory_lock(rollup_lock_key())")
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(rollup_lock_key())")


def _one_batch(conn: psycopg.Connection, stream: str, batch_hours: int) -> int:
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        hours = conn.execute(_SOME_HOURS, [stream, batch_hours]).fetchall()
        if not hours:
            return 0
        nodes, starts = [node for node, _ in hours], [hour for _, hour in hours]
        for name in KEPT[stream]:
            _recompute(conn, name, nodes, starts)
        conn.execute(_CLEAR, [nodes, starts, stream])
    return len(hours)


def _recompute(
    conn: psycopg.Connection, name: str, nodes: Sequence[str], starts: Sequence[datetime]
) -> None:
    kept, hours_of = sql.Identifier(f"{name}_kept"), sql.Identifier(f"{name}_of")
    conn.execute(sql.SQL(_FORGET).format(kept=kept), [nodes, starts])
    conn.execute(sql.SQL(_KEEP).format(kept=kept, hours_of=hours_of), [nodes, starts])
