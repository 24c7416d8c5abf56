"""The ledger inside one transaction: lock its rows, read what is in, merge what is new.

Every number comes from the locked rows and goes back in SQL; nothing is remembered between
transactions, so any process may write any line of `seq`, and be killed anywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from server.ingest.arrays import Int8Array, TextArray
from server.ingest.inbound import LedgerKey
from server.ingest.seq_ranges import Run, to_multirange

_CREATE_MISSING = """
INSERT INTO ledger (node_id, spool, stream)
SELECT * FROM unnest(%(node_id)s::text[], %(spool)s::text[], %(stream)s::text[])
ON CONFLICT DO NOTHING
"""

# Locked in one order by everybody, so that two ingesters wait and never deadlock.
_LOCK = """
SELECT k.ix - 1, l.low, (l.stored + l.held) * k.wanted::int8multirange
FROM unnest(%(node_id)s::text[], %(spool)s::text[], %(stream)s::text[], %(wanted)s::text[])
    WITH ORDINALITY AS k(node_id, spool, stream, wanted, ix)
JOIN ledger l USING (node_id, spool, stream)
ORDER BY l.node_id COLLATE "C", l.spool COLLATE "C", l.stream COLLATE "C"
FOR UPDATE OF l
"""

# A seq is in one set only: what is stored or held leaves the other two, what is in the dead
# letter leaves `lost`.
_MERGE = """
UPDATE ledger l SET
    stored = l.stored + k.stored,
    held = l.held + k.held,
    rejected = (l.rejected + k.rejected) - (l.stored + k.stored) - (l.held + k.held),
    lost = l.lost - k.stored - k.held - k.rejected,
    low = greatest(l.low, k.low),
    last_at = now(),
    last_new_at = CASE WHEN k.is_new THEN now() ELSE l.last_new_at END
FROM (
    SELECT ix, node_id, spool, stream, stored::int8multirange, held::int8multirange,
           rejected::int8multirange, low, (stored || held) <> '{}{}' AS is_new
    FROM unnest(%(node_id)s::text[], %(spool)s::text[], %(stream)s::text[], %(stored)s::text[],
                %(held)s::text[], %(rejected)s::text[], %(low)s::int8[])
        WITH ORDINALITY AS u(node_id, spool, stream, stored, held, rejected, low, ix)
) AS k
WHERE (l.node_id, l.spool, l.stream) = (k.node_id, k.spool, k.stream)
RETURNING k.ix - 1, complete_to(l)
"""

# What a claim covers and nobody has received is lost. `loss` keeps every reason that was given.
_CLAIM = """
WITH lost AS (
    SELECT int8multirange(int8range(%(first)s, %(last)s, '[]')) - l.stored - l.held - l.rejected
           - CASE WHEN %(cause)s = 'below_low' THEN l.lost ELSE '{}' END AS ranges
    FROM ledger l WHERE (node_id, spool, stream) = (%(node_id)s, %(spool)s, %(stream)s)
), reason AS (
    INSERT INTO loss (node_id, spool, stream, first_seq, last_seq, cause, detail)
    SELECT %(node_id)s, %(spool)s, %(stream)s, lower(r), upper(r) - 1, %(cause)s, %(detail)s
    FROM lost, unnest(lost.ranges) AS r
)
UPDATE ledger l SET lost = l.lost + lost.ranges FROM lost
WHERE (node_id, spool, stream) = (%(node_id)s, %(spool)s, %(stream)s)
RETURNING complete_to(l)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A locked row: its `low`, and which of the wanted `seq` it has."""

    low: int
    known: Sequence[Run]


@dataclass(slots=True)
class Delta:
    """What one transaction adds to one row."""

    stored: Sequence[Run]
    held: Sequence[Run]
    rejected: Sequence[Run]
    low: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's word that a range will never come."""

    key: LedgerKey
    first: int
    last: int
    cause: str
    detail: str | None = None


def lock(
    cur: psycopg.Cursor[Any], keys: Sequence[LedgerKey], wanted: Sequence[Sequence[Run]]
) -> list[Entry]:
    """Lock the rows of `keys`, which are sorted, making those that aren't there yet."""
    parameters = _columns(keys)
    cur.execute(_CREATE_MISSING, parameters)
    cur.execute(_LOCK, {**parameters, "wanted": TextArray(map(to_multirange, wanted))})
    entries: dict[int, Entry] = {}
    for ix, low, known in cur.fetchall():
        entries[ix] = Entry(low, [(r.lower, r.upper - 1) for r in known])
    return [entries[ix] for ix in range(len(keys))]


def merge(
    cur: psycopg.Cursor[Any], keys: Sequence[LedgerKey], deltas: Sequence[Delta]
) -> dict[LedgerKey, int]:
    """Add `deltas` to the locked rows; return each key's `complete_to`."""
    parameters = {
        **_columns(keys),
        "stored": TextArray(to_multirange(d.stored) for d in deltas),
        "held": TextArray(to_multirange(d.held) for d in deltas),
        "rejected": TextArray(to_multirange(d.rejected) for d in deltas),
        "low": Int8Array([d.low for d in deltas]),
    }
    cur.execute(_MERGE, parameters)
    return {keys[ix]: complete_to for ix, complete_to in cur.fetchall()}


def declare_lost(cur: psycopg.Cursor[Any], claims: Iterable[Claim]) -> dict[LedgerKey, int]:
    """Enter what won't come into the locked rows; return their `complete_to`."""
    complete: dict[LedgerKey, int] = {}
    for claim in claims:
        cur.execute(
            _CLAIM,
            {
                "node_id": claim.key.node_id,
                "spool": claim.key.spool,
                "stream": claim.key.stream.value,
                "first": claim.first,
                "last": claim.last,
                "cause": claim.cause,
                "detail": claim.detail,
            },
        )
        for (complete_to,) in cur.fetchall():
            complete[claim.key] = complete_to
    return complete


def _columns(keys: Sequence[LedgerKey]) -> dict[str, TextArray]:
    return {
        "node_id": TextArray(key.node_id for key in keys),
        "spool": TextArray(key.spool for key in keys),
        "stream": TextArray(key.stream.value for key in keys),
    }
