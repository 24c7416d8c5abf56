"""The records of one stream in one transaction, as columns, and which of them are new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.flags import flags_to_bits
from contract.records import FootfallRecord, Record
from contract.streams import Stream
from server.ingest import tables
from server.ingest.arrays import (
    Float4Array,
    Int4Array,
    Int8Array,
    PgArray,
    TextArray,
    TimestampArray,
)
from server.ingest.inbound import LedgerKey, RecordsPart
from server.ingest.seq_ranges import Run, runs_by_key, within

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Rows:
    """Columns of one stream, in order of arrival; all (rows,).

    Attributes:
        key: Index into `keys`.
        part: Index of the part that brought the record.
        records_n: How many records each part brought.
    """

    stream: Stream
    keys: Sequence[LedgerKey]
    parts: Sequence[RecordsPart]
    records: list[Record]
    key: NDArray[np.intp]
    part: NDArray[np.intp]
    seq: Ints
    t_ms: Ints
    received_ms: Ints
    dur_s: NDArray[np.float64]
    flags: Ints

    @classmethod
    def of(
        cls,
        stream: Stream,
        parts: Sequence[RecordsPart],
        key_index: Mapping[LedgerKey, int],
        keys: Sequence[LedgerKey],
    ) -> "Rows":
        """Gather the records of `parts`, which are all of `stream`."""
        records = list(chain.from_iterable(p.records for p in parts))
        n = len(records)
        records_n = [len(p.records) for p in parts]
        received = np.array([p.message.received_ms for p in parts], dtype=np.int64)
        key_of_part = np.array([key_index[p.key] for p in parts], dtype=np.intp)
        return cls(
            stream=stream,
            keys=keys,
            parts=parts,
            records=records,
            key=np.repeat(key_of_part, records_n),
            part=np.repeat(np.arange(len(parts)), records_n),
            seq=np.fromiter((r.seq for r in records), np.int64, n),
            t_ms=np.fromiter((r.t for r in records), np.int64, n),
            received_ms=np.repeat(received, records_n),
            dur_s=np.fromiter((r.dur_s for r in records), np.float64, n),
            flags=np.fromiter(
                (flags_to_bits(r.flags) if r.flags else 0 for r in records), np.int64, n
            ),
        )

    def __len__(self) -> int:
        return len(self.records)

    def first_of_each(self) -> Mask:
        """Which rows are the first with their key and `seq`: of two, the first to arrive wins."""
        order = np.lexsort((self.seq, self.key))  # stable, so arrival decides among equals
        key, seq = self.key[order], self.seq[order]
        repeated = np.zeros(len(self), dtype=np.bool_)
        repeated[1:] = (np.diff(key) == 0) & (np.diff(seq) == 0)
        first = np.empty(len(self), dtype=np.bool_)
        first[order] = ~repeated
        return first

    def runs(self, chosen: Mask) -> list[list[Run]]:
        """The `seq` of the chosen rows, which don't repeat, as runs per key."""
        key, seq = self.key[chosen], self.seq[chosen]
        order = np.lexsort((seq, key))
        return runs_by_key(key[order], seq[order], len(self.keys))

    def already_in(self, known: Mapping[int, Sequence[Run]]) -> Mask:
        """Which rows the ledger has: `known` holds runs by key index."""
        found = np.zeros(len(self), dtype=np.bool_)
        for key, runs in known.items():
            at = np.flatnonzero(self.key == key)
            found[at] = within(self.seq[at], runs)
        return found

    def arrays(self, chosen: Mask, origin_ids: Ints) -> dict[str, PgArray]:
        """The chosen rows as parameters of `tables.INSERT_RAW`; `origin_ids` is by part."""
        at = np.flatnonzero(chosen)
        records = self._records_at(at)
        key_at = self.key[at].tolist()
        return {
            "t": TimestampArray(self.t_ms[at]),
            "seq": Int8Array(self.seq[at]),
            "received_at": TimestampArray(self.received_ms[at]),
            "origin_id": Int4Array(origin_ids[self.part[at]]),
            "flags": Int4Array(self.flags[at]),
            "dur_s": Float4Array(self.dur_s[at]),
            "valid_s": Float4Array([r.valid_s for r in records]),
            "node_id": TextArray(self.keys[k].node_id for k in key_at),
            "spool": TextArray(self.keys[k].spool for k in key_at),
            **tables.own_arrays(self.stream, records),
        }

    def line_arrays(self, chosen: Mask, reasons: Sequence[str] = ()) -> dict[str, PgArray]:
        """The chosen rows' lines as parameters of `tables.INSERT_RAW_LINES`.

        `reasons` is by chosen row, for those that are held.
        """
        at = np.flatnonzero(chosen)
        records: list[Any] = self._records_at(at)
        lines_n = [len(r.lines) for r in records if isinstance(r, FootfallRecord)]
        lines = [line for r in records for line in r.lines]
        row = np.repeat(at, lines_n)
        key_at = self.key[row].tolist()
        arrays = {
            "t": TimestampArray(self.t_ms[row]),
            "seq": Int8Array(self.seq[row]),
            "node_id": TextArray(self.keys[k].node_id for k in key_at),
            "spool": TextArray(self.keys[k].spool for k in key_at),
            "line": TextArray(line.line for line in lines),
            "a_to_b": tables.LINE["a_to_b"].build([line.a_to_b for line in lines]),
            "b_to_a": tables.LINE["b_to_a"].build([line.b_to_a for line in lines]),
        }
        if reasons:
            per_line = chain.from_iterable(map(repeat, reasons, lines_n))
            arrays["reason"] = TextArray(per_line)
        return arrays

    def _records_at(self, at: NDArray[np.intp]) -> list[Record]:
        if len(at) == len(self.records):
            return self.records
        return [self.records[i] for i in at.tolist()]
