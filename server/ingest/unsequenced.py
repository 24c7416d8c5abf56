"""Births, wills and walk tests: no `seq`, no ledger, nothing to acknowledge."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from server.ingest.inbound import StatusPart, WalkTestPart
from server.ingest.registry import Node

# A walk test anywhere else would be counting people by the ten seconds.
WALK_TEST_STATES = ("installed", "maintenance")

_STATUS = """
INSERT INTO node_status (received_at, node_id, state, boot, rev, spool)
VALUES (to_timestamp(%s), %s, %s, %s, %s, %s)
"""
_WALK_TEST = """
INSERT INTO walk_test (t, received_at, node_id, dur_s, line, a_to_b, b_to_a)
VALUES (to_timestamp(%s), to_timestamp(%s), %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


def store(
    cur: psycopg.Cursor[Any],
    statuses: Sequence[StatusPart],
    walk_tests: Sequence[WalkTestPart],
    nodes: Mapping[str, Node],
) -> None:
    """Store them; walk tests only of nodes that somebody is working on."""
    for part in statuses:
        status, received_s = part.status, part.message.received_ms / 1000
        cur.execute(
            _STATUS,
            (received_s, part.node_id, status.state, status.boot, status.rev, status.spool),
        )
    for walk in walk_tests:
        if nodes[walk.node_id].state in WALK_TEST_STATES:
            _store_walk_test(cur, walk)


def _store_walk_test(cur: psycopg.Cursor[Any], part: WalkTestPart) -> None:
    counts, received_s = part.counts, part.message.received_ms / 1000
    for line in counts.lines:
        cur.execute(
            _WALK_TEST,
            (
                counts.t / 1000,
                received_s,
                part.node_id,
                counts.dur_s,
                line.line,
                line.a_to_b,
                line.b_to_a,
            ),
        )
