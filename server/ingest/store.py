"""One transaction: what a batch of messages brings, into the tables, all of it or nothing.

Order of locks, the same for every writer: ledger rows, seals, origins, dead letter, unknown nodes.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg

from contract.events import EventRecord, Lost
from contract.streams import Stream
from server.ingest import dead_letter, ledger, origins, registry, tables, unsequenced
from server.ingest.announce import announce
from server.ingest.arrays import TextArray
from server.ingest.conflict import conflicting, letters_of
from server.ingest.hold import ACCEPTED, REASONS, hold_reasons
from server.ingest.inbound import LedgerKey, Letter, Part, RecordsPart, StatusPart, WalkTestPart
from server.ingest.ledger import Claim, Delta
from server.ingest.marks import append_marks
from server.ingest.rows import Ints, Mask, Rows
from server.ingest.seq_ranges import Run
from server.ingest.short_windows import too_close

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stored:
    """What a transaction did.

    Attributes:
        complete_to: Highest `seq` up to which nothing is missing, of every line it touched: the
            end-to-end acknowledgement.
        records: How many per stream and outcome: stored, duplicate, held, rejected, conflict.
        conflicts: Records whose `seq` another record has; they went to the dead letter.
        unknown: Messages of nodes that the registry doesn't know.
    """

    complete_to: dict[LedgerKey, int] = field(default_factory=dict)
    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: int = 0
    conflicts: list[Letter] = field(default_factory=list)


def store(
    conn: psycopg.Connection,
    parts: Sequence[Part],
    *,
    dead_letter_max_rows: int,
    by_certificate: bool = False,
) -> Stored:
    """Store `parts` in one transaction; safe to repeat, also after a COMMIT of unknown outcome.

    Args:
        by_certificate: They came by the nodes' own connections, so what a node with a revoked
            certificate sends is left to its spool. A stick was brought by a person.

    Raises:
        DeadLetterFull: Letters among them don't fit.
        LedgerFull: The lines of some of the nodes would grow past their bound.
        psycopg.DataError, psycopg.IntegrityError: PostgreSQL refuses a value.
        psycopg.Error: Anything else is no fault of the data; try again later.
    """
    with conn.transaction(), conn.cursor() as cur:
        if by_certificate:
            parts = registry.without_revoked(cur, parts)
        nodes = registry.nodes(cur, {part.node_id for part in parts})
        known = [part for part in parts if part.node_id in nodes]
        done = Stored(unknown=len(parts) - len(known))
        touched = _store_records(cur, [p for p in known if isinstance(p, RecordsPart)], nodes, done)
        unsequenced.store(
            cur,
            [p for p in known if isinstance(p, StatusPart)],
            [p for p in known if isinstance(p, WalkTestPart)],
            nodes,
        )
        letters = [letter for part in known for letter in part.letters] + done.conflicts
        if letters:
            dead_letter.add(cur, letters, max_rows=dead_letter_max_rows)
        registry.count_unknown(cur, [p for p in parts if p.node_id not in nodes])
        announce(cur, touched)
    for letter in letters[: len(letters) - len(done.conflicts)]:
        done.records[letter.stream.value if letter.stream else "other", "rejected"] += 1
    return done


def _store_records(
    cur: psycopg.Cursor[Any],
    parts: Sequence[RecordsPart],
    nodes: Mapping[str, registry.Node],
    done: Stored,
) -> dict[Stream, set[str]]:
    """Store records and account for them; return whose streams have something new."""
    if not parts:
        return {}
    batch = _Batch.of(parts)
    entries = ledger.lock(cur, batch.keys, batch.wanted())
    sealed_ms = registry.lock_seals(cur, sorted(batch.rows))
    created_ms = [nodes[key.node_id].created_ms for key in batch.keys]
    origin_ids = origins.resolve(cur, parts)
    known = {k: entry.known for k, entry in enumerate(entries) if entry.known}
    touched: dict[Stream, set[str]] = {}
    for stream, rows in batch.rows.items():
        new = batch.first[stream] & ~rows.already_in(known)
        reason = hold_reasons(rows, created_ms, sealed_ms[stream], too_close(cur, rows, new))
        accepted, held = new & (reason == ACCEPTED), new & (reason != ACCEPTED)
        own_origins = np.array([origin_ids[origins.origin_of(p)] for p in rows.parts], np.int64)
        _insert(cur, rows, accepted, own_origins)
        _insert_held(cur, rows, held, own_origins, [REASONS[i] for i in reason[held].tolist()])
        append_marks(cur, rows, accepted)
        batch.note(stream, accepted, held)
        conflict = conflicting(cur, rows, ~new, sealed_ms[stream])
        done.conflicts += letters_of(rows, conflict)
        _count(done, rows, accepted, held, conflict)
        if accepted.any():
            touched[stream] = {batch.keys[k].node_id for k in set(rows.key[accepted].tolist())}
    registry.note_nonces(cur, parts)
    lines = ledger.merge(cur, batch.keys, batch.deltas())
    claims = [*batch.declared_lost(), *batch.fallen_below_low([entry.low for entry in entries])]
    lines |= ledger.declare_lost(cur, claims)
    ranges_n = [entry.ranges_n for entry in entries]
    ledger.check_ranges(dict(zip(batch.keys, ranges_n, strict=True)), lines)
    done.complete_to |= {key: line.complete_to for key, line in lines.items()}
    return touched


@dataclass(slots=True)
class _Batch:
    """The parts of one transaction, by line of `seq` and by stream.

    Attributes:
        key_of: Per part, the index of its key.
    """

    parts: Sequence[RecordsPart]
    keys: Sequence[LedgerKey]
    key_of: Sequence[int]
    rows: dict[Stream, Rows]
    first: dict[Stream, Mask]
    accepted: dict[Stream, Mask] = field(default_factory=dict)
    held: dict[Stream, Mask] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[RecordsPart]) -> "_Batch":
        by_stream: dict[Stream, list[RecordsPart]] = defaultdict(list)
        for part in parts:
            if part.records:
                by_stream[part.key.stream].append(part)
        keys = sorted({part.key for part in parts} | _keys_declared(by_stream[Stream.EVENT]))
        index = {key: k for k, key in enumerate(keys)}
        rows = {
            stream: Rows.of(stream, own, index, keys)
            for stream, own in sorted(by_stream.items())
            if own
        }
        first = {stream: own.first_of_each() for stream, own in rows.items()}
        key_of = [index[part.key] for part in parts]
        return cls(parts, keys, key_of, rows, first)

    def wanted(self) -> list[list[Run]]:
        """Per key, the `seq` that arrived."""
        return self._runs(self.first)

    def note(self, stream: Stream, accepted: Mask, held: Mask) -> None:
        """What became of the rows of `stream`."""
        self.accepted[stream], self.held[stream] = accepted, held

    def deltas(self) -> list[Delta]:
        """Per key, what its ledger row gains."""
        stored, held = self._runs(self.accepted), self._runs(self.held)
        deltas = [Delta(s, h, [], 1) for s, h in zip(stored, held, strict=True)]
        for part, k in zip(self.parts, self.key_of, strict=True):
            delta = deltas[k]
            if part.low > delta.low:
                delta.low = part.low
            for letter in part.letters:
                if letter.first is not None and letter.last is not None:
                    delta.rejected = [*delta.rejected, (letter.first, letter.last)]
        return deltas

    def declared_lost(self) -> list[Claim]:
        """What new events say about records that won't come; a doubtful clock doesn't matter."""
        if Stream.EVENT not in self.rows:
            return []
        rows = self.rows[Stream.EVENT]
        new = self.accepted[Stream.EVENT] | self.held[Stream.EVENT]
        claims = []
        for at in np.flatnonzero(new).tolist():
            record = rows.records[at]
            if isinstance(record, EventRecord) and isinstance(record.body, Lost):
                claims.append(_claim(self.keys[rows.key[at]].node_id, record.body))
        return claims

    def fallen_below_low(self, lows: Sequence[int]) -> list[Claim]:
        """What the nodes no longer hold, where that line has risen above `lows` (per key)."""
        highest = list(lows)
        for part, k in zip(self.parts, self.key_of, strict=True):
            if part.low > highest[k]:
                highest[k] = part.low
        return [
            Claim(key, 1, new - 1, "below_low")
            for key, old, new in zip(self.keys, lows, highest, strict=True)
            if new > old
        ]

    def _runs(self, chosen: Mapping[Stream, Mask]) -> list[list[Run]]:
        merged: list[list[Run]] = [[] for _ in self.keys]
        for stream, mask in chosen.items():
            for own, runs in zip(merged, self.rows[stream].runs(mask), strict=True):
                own.extend(runs)  # a key belongs to one stream
        return merged


def _keys_declared(parts: Sequence[RecordsPart]) -> set[LedgerKey]:
    return {
        LedgerKey(part.node_id, record.body.spool, record.body.stream)
        for part in parts
        for record in part.records
        if isinstance(record, EventRecord) and isinstance(record.body, Lost)
    }


def _claim(node_id: str, body: Lost) -> Claim:
    cause = str(body.__struct_config__.tag)
    key = LedgerKey(node_id, body.spool, body.stream)
    return Claim(key, body.first, body.last, cause, body.detail)


def _insert(cur: psycopg.Cursor[Any], rows: Rows, accepted: Mask, origin_ids: Ints) -> None:
    wanted_n = int(accepted.sum())
    if not wanted_n:
        return
    cur.execute(tables.INSERT_RAW[rows.stream], rows.arrays(accepted, origin_ids))
    if cur.rowcount != wanted_n:
        # The second guard held: the rows are there, and the ledger learns of them now.
        log.warning(
            "%d %s records were in raw but not in the ledger", wanted_n - cur.rowcount, rows.stream
        )
    if rows.stream is Stream.FOOTFALL:
        cur.execute(tables.INSERT_RAW_LINES, rows.line_arrays(accepted))


def _insert_held(
    cur: psycopg.Cursor[Any], rows: Rows, held: Mask, origin_ids: Ints, reasons: list[str]
) -> None:
    if not reasons:
        return
    arrays = rows.arrays(held, origin_ids) | {"reason": TextArray(reasons)}
    cur.execute(tables.INSERT_HELD[rows.stream], arrays)
    if rows.stream is Stream.FOOTFALL:
        cur.execute(tables.INSERT_HELD_LINES, rows.line_arrays(held, reasons))


def _count(done: Stored, rows: Rows, accepted: Mask, held: Mask, conflict: Mask) -> None:
    stored_n, held_n, conflict_n = int(accepted.sum()), int(held.sum()), int(conflict.sum())
    done.records[rows.stream.value, "stored"] += stored_n
    done.records[rows.stream.value, "held"] += held_n
    done.records[rows.stream.value, "duplicate"] += len(rows) - stored_n - held_n - conflict_n
    if conflict_n:
        done.records[rows.stream.value, "conflict"] += conflict_n
