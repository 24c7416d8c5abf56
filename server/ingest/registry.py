"""What ingest asks of the registry: which nodes there are, since when, and what is sealed."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from contract.streams import Stream
from server.ingest.inbound import Part, RecordsPart

_NODES = """
SELECT node_id, state::text, (extract(epoch FROM created_at) * 1000)::bigint
FROM node WHERE node_id = ANY(%s)
"""
_REVOKED = """
SELECT node_id FROM certificate WHERE node_id = ANY(%s)
GROUP BY node_id HAVING bool_and(revoked_at IS NOT NULL)
"""
REVOKED = "every certificate of this node is revoked"
_COUNT_UNKNOWN = """
INSERT INTO unknown_node (node_id, kind, count) VALUES (%s, %s, %s)
ON CONFLICT (node_id, kind) DO UPDATE SET
    count = unknown_node.count + excluded.count, last_at = now()
"""
_SEALS = """
SELECT stream, (extract(epoch FROM greatest(before, 'epoch')) * 1000)::bigint
FROM rollup_seal WHERE stream = ANY(%s) ORDER BY stream FOR SHARE
"""
_NONCE = """
INSERT INTO batch_nonce (node_id, stream, nonce) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
_COUNT_REFUSED = """
INSERT INTO refused_node (node_id, reason) VALUES (%s, %s)
ON CONFLICT (node_id) DO UPDATE SET
    reason = excluded.reason, count = refused_node.count + 1, last_at = now()
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the registry has it; `created_ms` is UTC, ms since 1970."""

    state: str
    created_ms: int


def nodes(cur: psycopg.Cursor[Any], node_ids: Collection[str]) -> dict[str, Node]:
    """Those of `node_ids` that the registry knows."""
    cur.execute(_NODES, (sorted(node_ids),))
    return {node_id: Node(state, created_ms) for node_id, state, created_ms in cur.fetchall()}


def without_revoked(cur: psycopg.Cursor[Any], parts: Sequence[Part]) -> list[Part]:
    """`parts` without those of nodes that have no certificate left; these are noted as refused.

    The broker lets such a node publish until it has read the new list of the revoked.
    """
    cur.execute(_REVOKED, (sorted({part.node_id for part in parts}),))
    revoked = {node_id for (node_id,) in cur.fetchall()}
    for part in parts:
        if part.node_id in revoked:
            cur.execute(_COUNT_REFUSED, (part.node_id, REVOKED))
    return [part for part in parts if part.node_id not in revoked]


def count_unknown(cur: psycopg.Cursor[Any], parts: Sequence[Part]) -> None:
    """Note messages of nodes that the registry doesn't know."""
    counts = Counter((p.node_id, p.message.topic.rpartition("/")[2]) for p in parts)
    for (node_id, kind), n in sorted(counts.items()):
        cur.execute(_COUNT_UNKNOWN, (node_id, kind, n))


def count_refused(conn: psycopg.Connection, node_id: str, reason: str) -> None:
    """Note a message of a known node that was neither stored nor acknowledged end to end."""
    conn.execute(_COUNT_REFUSED, (node_id, reason))


def lock_seals(cur: psycopg.Cursor[Any], streams: Sequence[Stream]) -> dict[Stream, int]:
    """Per stream, the time (ms since 1970) before which raw data is gone or going.

    It can't move until this transaction ends.
    """
    cur.execute(_SEALS, ([stream.value for stream in streams],))
    return {Stream(stream): before_ms for stream, before_ms in cur.fetchall()}


def note_nonces(cur: psycopg.Cursor[Any], parts: Sequence[RecordsPart]) -> None:
    """Keep the nonces that batches carried: they show that the whole way works."""
    found = {(p.node_id, p.key.stream.value, p.nonce) for p in parts if p.nonce is not None}
    for row in sorted(found):
        cur.execute(_NONCE, row)
