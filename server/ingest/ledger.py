"""The ledger inside one transaction: lock its rows, read what is in, merge what is new.

Every number comes from the locked rows and goes back in SQL; nothing is remembered between
transactions, so any process may write any line of `seq`, and be killed anywhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from server.ingest.arrays import Int8Array, TextArray
from server.ingest.inbound import LedgerKey
from server.ingest.seq_ranges import Run, to_multirange

# A line that is in order is one range; every record still on its way opens one more, and what was
# refused or held cuts another set. Merging takes about 20 us a range, for everybody in the batch.
MAX_RANGES = 2000

# A new spool means a new or reset card: this is one every half year for 16 years.
MAX_SPOOLS_PER_NODE = 32

# Reasons kept a line. Beyond that `ledger.lost` still says what is lost, without saying why.
MAX_LOSS_ROWS = 10_000

_CREATE_MISSING = """
INSERT INTO ledger (node_id, spool, stream)
SELECT * FROM unnest(%(node_id)s::text[], %(spool)s::text[], %(stream)s::text[])
ON CONFLICT DO NOTHING
RETURNING node_id
"""

_TOO_MANY_SPOOLS = """
SELECT node_id FROM ledger WHERE node_id = ANY(%s)
GROUP BY node_id HAVING count(DISTINCT spool) > %s
"""

# Locked in one order by everybody, so that two ingesters wait and never deadlock.
_LOCK = """
SELECT k.ix - 1, l.low, (l.stored + l.held) * k.wanted::int8multirange, ranges_n(l)
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
RETURNING k.ix - 1, complete_to(l), ranges_n(l)
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
    LIMIT (SELECT greatest(0, %(max_rows)s - count(*)) FROM loss
           WHERE (node_id, spool, stream) = (%(node_id)s, %(spool)s, %(stream)s))
)
UPDATE ledger l SET lost = l.lost + lost.ranges FROM lost
WHERE (node_id, spool, stream) = (%(node_id)s, %(spool)s, %(stream)s)
RETURNING complete_to(l), ranges_n(l)
"""


class LedgerFull(Exception):
    """These nodes' lines would grow past their bound; nothing of the transaction may stay."""

    def __init__(self, node_ids: Collection[str], what: str) -> None:
        super().__init__(
            f"ledger of {', '.join(sorted(node_ids))} is full: {what}; the node keeps its records:"
            " look at its spool, or register its card as another node"
        )
        self.node_ids = frozenset(node_ids)


@dataclass(frozen=True, slots=True)
class Entry:
    """A locked row: its `low`, which of the wanted `seq` it has, and of how many ranges it is."""

    low: int
    known: Sequence[Run]
    ranges_n: int


class Line(NamedTuple):
    """What a row has become: the end of what is complete, and the ranges of its largest set."""

    complete_to: int
    ranges_n: int


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
    """Lock the rows of `keys`, which are sorted, making those that aren't there yet.

    Raises:
        LedgerFull: A node comes with more spools than a node can have had.
    """
    parameters = _columns(keys)
    cur.execute(_CREATE_MISSING, parameters)
    _check_spools(cur, sorted({node_id for (node_id,) in cur.fetchall()}))
    cur.execute(_LOCK, {**parameters, "wanted": TextArray(map(to_multirange, wanted))})
    entries: dict[int, Entry] = {}
    for ix, low, known, ranges_n in cur.fetchall():
        entries[ix] = Entry(low, [(r.lower, r.upper - 1) for r in known], ranges_n)
    return [entries[ix] for ix in range(len(keys))]


def merge(
    cur: psycopg.Cursor[Any], keys: Sequence[LedgerKey], deltas: Sequence[Delta]
) -> dict[LedgerKey, Line]:
    """Add `deltas` to the locked rows; return what each key's has become."""
    parameters = {
        **_columns(keys),
        "stored": TextArray(to_multirange(d.stored) for d in deltas),
        "held": TextArray(to_multirange(d.held) for d in deltas),
        "rejected": TextArray(to_multirange(d.rejected) for d in deltas),
        "low": Int8Array([d.low for d in deltas]),
    }
    cur.execute(_MERGE, parameters)
    return {keys[ix]: Line(complete_to, n) for ix, complete_to, n in cur.fetchall()}


def declare_lost(cur: psycopg.Cursor[Any], claims: Iterable[Claim]) -> dict[LedgerKey, Line]:
    """Enter what won't come into the locked rows; return what they have become."""
    lines: dict[LedgerKey, Line] = {}
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
                "max_rows": MAX_LOSS_ROWS,
            },
        )
        for row in cur.fetchall():
            lines[claim.key] = Line(*row)
    return lines


def check_ranges(before: Mapping[LedgerKey, int], after: Mapping[LedgerKey, Line]) -> None:
    """Let a line past its bound shrink and go on at its end, but not grow.

    Raises:
        LedgerFull: Some line has more ranges than it may, and more than it had.
    """
    grown = {
        key.node_id for key, line in after.items() if line.ranges_n > max(MAX_RANGES, before[key])
    }
    if grown:
        raise LedgerFull(grown, f"more than {MAX_RANGES} ranges of seq in one line")


def _check_spools(cur: psycopg.Cursor[Any], node_ids: Sequence[str]) -> None:
    if not node_ids:
        return
    cur.execute(_TOO_MANY_SPOOLS, (node_ids, MAX_SPOOLS_PER_NODE))
    full = [node_id for (node_id,) in cur.fetchall()]
    if full:
        raise LedgerFull(full, f"more than {MAX_SPOOLS_PER_NODE} spools")


def _columns(keys: Sequence[LedgerKey]) -> dict[str, TextArray]:
    return {
        "node_id": TextArray(key.node_id for key in keys),
        "spool": TextArray(key.spool for key in keys),
        "stream": TextArray(key.stream.value for key in keys),
    }
