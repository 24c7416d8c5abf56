"""What the benchmarks send: batches of light and noise records, in lines of `seq` of many nodes."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contract import topics
from contract.batch import BatchRange, Header, encode_batch
from contract.ids import new_spool_id
from contract.records import LightRecord, NoiseRecord, Record
from contract.streams import Stream
from server.ingest.inbound import Message

MINUTE_MS = 60_000
LEVELS = ("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq")


@dataclass(frozen=True)
class Load:
    """Messages of one run: nodes take turns, each in a line of `seq` of its own."""

    nodes: Sequence[str]
    records_n: int
    per_message: int
    stream: Stream = Stream.LIGHT

    def messages(self) -> list[Message]:
        """In the order in which they are sent; a new spool for each call, so nothing repeats."""
        return list(self._messages(new_spool_id()))

    @property
    def messages_n(self) -> int:
        return self.records_n // self.per_message

    def _messages(self, spool: str) -> Iterator[Message]:
        start_ms = (int(time.time() * 1000) // MINUTE_MS) * MINUTE_MS
        start_ms -= (self.records_n // len(self.nodes) + 10) * MINUTE_MS
        next_seq = dict.fromkeys(self.nodes, 1)
        for index in range(self.messages_n):
            node = self.nodes[index % len(self.nodes)]
            first, next_seq[node] = next_seq[node], next_seq[node] + self.per_message
            last = first + self.per_message - 1
            records = [record(self.stream, seq, start_ms) for seq in range(first, last + 1)]
            sens_db = 120.0 if self.stream is Stream.NOISE else None
            header = Header(v=1, spool=spool, boot="0" * 32, rev="0.1.0", low=1, sens_db=sens_db)
            properties = BatchRange(spool, first, last, 1).as_user_properties()
            topic = topics.up(node, self.stream)
            payload = encode_batch(header, records)
            yield Message(1, 1, topic, payload, int(time.time() * 1000), properties)


def record(stream: Stream, seq: int, start_ms: int) -> Record:
    """A wide record as a node sends it."""
    t = start_ms + seq * MINUTE_MS
    if stream is Stream.NOISE:
        levels: dict[str, Any] = dict.fromkeys(LEVELS, 50 + seq % 100 / 10)
        hist = [(90 + k, 20 + k) for k in range(8)]
        return NoiseRecord(seq=seq, t=t, dur_s=60, valid_s=60, **levels, laf_hist=hist)
    lux = 5 + seq % 40 / 8
    return LightRecord(
        seq=seq, t=t, dur_s=60, valid_s=60, lux_p10=lux - 0.5, lux_p50=lux, lux_p90=lux + 0.5,
        lux_max=lux + 2, sensor="opt3001", full_scale_lx=83_865.6, integration_ms=100,
        samples_n=120,
    )  # fmt: skip
