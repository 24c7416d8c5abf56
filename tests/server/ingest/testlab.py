"""A lab with one node, and messages as that node would send them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from contract import topics
from contract.batch import BatchRange, Header, encode_batch
from contract.events import EventBody, EventRecord
from contract.flags import Flag
from contract.records import (
    FootfallRecord,
    HealthRecord,
    LightRecord,
    LineCount,
    NoiseRecord,
    Record,
)
from contract.streams import Stream
from server.ingest.decode import decode_message
from server.ingest.inbound import LedgerKey, Message, Part
from server.ingest.store import Stored, store

NODE, SPOOL, BOOT = "lamp-01", "aaaaaaaa", "0" * 32
MINUTE_MS = 60_000
NOW_MS = int(time.time() * 1000)
# Windows of the records that tests make: the one with seq 1 began this long ago.
START_MS = (NOW_MS // MINUTE_MS) * MINUTE_MS - 2000 * MINUTE_MS


@dataclass
class Wire:
    """Builds records and the messages that carry them."""

    start_ms: int = START_MS
    _mids: list[int] = field(default_factory=lambda: [0])

    def t(self, seq: int) -> int:
        return self.start_ms + seq * MINUTE_MS

    def light(self, seq: int, lux: float = 5.0, **changed: Any) -> LightRecord:
        values: dict[str, Any] = {"t": self.t(seq), "dur_s": 60.0, "valid_s": 60.0}
        values |= dict.fromkeys(("lux_p10", "lux_p50", "lux_p90", "lux_max"), lux)
        return LightRecord(seq=seq, sensor="opt3001", **(values | changed))

    def noise(self, seq: int, **changed: Any) -> NoiseRecord:
        values: dict[str, Any] = {"t": self.t(seq), "dur_s": 60.0, "valid_s": 60.0}
        levels = ("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq")
        values |= dict.fromkeys(levels, 50.0)
        values["laf_hist"] = [(100 + k, seq) for k in range(seq % 3)]
        return NoiseRecord(seq=seq, **(values | changed))

    def footfall(self, seq: int, **changed: Any) -> FootfallRecord:
        values: dict[str, Any] = {"t": self.start_ms + seq * 15 * MINUTE_MS}
        values |= {"dur_s": 900.0, "valid_s": 900.0}
        lines = [LineCount(line="gate", a_to_b=seq, b_to_a=2)]
        lines += [LineCount(line="path", a_to_b=0, b_to_a=0)]
        values |= {"occupancy": 0.5, "fps": 5.0, "scene_luma": 80.0}
        values |= {"geometry_rev": 1, "lines": lines}
        return FootfallRecord(seq=seq, **(values | changed))

    def health(self, seq: int, **changed: Any) -> HealthRecord:
        values: dict[str, Any] = {"t": self.t(seq), "dur_s": 60.0, "valid_s": 60.0}
        return HealthRecord(seq=seq, **(values | {"uptime_s": 1.0} | changed))

    def event(self, seq: int, body: EventBody, **changed: Any) -> EventRecord:
        values: dict[str, Any] = {"t": self.t(seq), "dur_s": 0.0, "valid_s": 0.0}
        return EventRecord(seq=seq, body=body, **(values | changed))

    def message(
        self,
        records: Sequence[Record],
        *,
        stream: Stream = Stream.LIGHT,
        node: str = NODE,
        spool: str = SPOOL,
        low: int = 1,
        received_ms: int = NOW_MS,
        **header: Any,
    ) -> Message:
        """A batch as it comes from the broker."""
        sens_db = 120.0 if stream is Stream.NOISE else None
        values: dict[str, Any] = {"boot": BOOT, "rev": "0.1.0", "sens_db": sens_db} | header
        payload = encode_batch(Header(v=1, spool=spool, low=low, **values), records)
        seqs = [record.seq for record in records]
        properties = BatchRange(spool, min(seqs), max(seqs), low).as_user_properties()
        return self.raw(payload, stream, node, properties, received_ms)

    def raw(
        self,
        payload: bytes,
        kind: Stream | str = Stream.LIGHT,
        node: str = NODE,
        properties: Sequence[tuple[str, str]] = (),
        received_ms: int = NOW_MS,
    ) -> Message:
        """Any payload."""
        self._mids[0] += 1
        return Message(
            epoch=1,
            mid=self._mids[0],
            topic=topics.up(node, kind),
            payload=payload,
            received_ms=received_ms,
            properties=properties,
        )

    def lights(self, *seqs: int, **header: Any) -> Message:
        """A batch of light records with these `seq`."""
        return self.message([self.light(seq) for seq in seqs], **header)


def parts_of(*messages: Message) -> list[Part]:
    found = [decode_message(message) for message in messages]
    assert None not in found
    return [part for part in found if part is not None]


@dataclass
class Lab:
    """A database with one registered node, seen by the ingester and by a superuser."""

    dsn: str
    conn: psycopg.Connection
    admin: psycopg.Connection

    def store(self, *messages: Message, dead_letter_max_rows: int = 100) -> Stored:
        return store(self.conn, parts_of(*messages), dead_letter_max_rows=dead_letter_max_rows)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.admin.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        ((value,),) = self.rows(sql, *values)
        return value

    def seqs(self, table: str = "light_raw", spool: str = SPOOL) -> list[int]:
        rows = self.rows(f"SELECT seq FROM {table} WHERE spool = %s ORDER BY seq", spool)
        return [seq for (seq,) in rows]

    def ledger(self, stream: Stream = Stream.LIGHT, spool: str = SPOOL) -> dict[str, list[int]]:
        """The sets of one ledger row, as lists of `seq`, the empty ones left out."""
        sets = ("stored", "rejected", "held", "lost")
        (row,) = self.rows(
            f"SELECT {', '.join(sets)} FROM ledger WHERE (spool, stream) = (%s, %s)",
            spool,
            stream.value,
        )
        found = {
            name: [seq for r in ranges for seq in range(r.lower, r.upper)]
            for name, ranges in zip(sets, row, strict=True)
        }
        return {name: seqs for name, seqs in found.items() if seqs}

    @contextmanager
    def refusing(self, condition: str) -> Iterator[None]:
        """Make PostgreSQL refuse light records that don't meet `condition`."""
        self.admin.execute(f"ALTER TABLE light_raw ADD CONSTRAINT odd CHECK ({condition})")
        yield
        self.admin.execute("ALTER TABLE light_raw DROP CONSTRAINT odd")

    def add_node(self, node_id: str, created_at: str = "2020-01-01Z") -> None:
        self.admin.execute(
            "INSERT INTO node (node_id, lab_id, created_at) VALUES (%s, 'testlab', %s)",
            (node_id, created_at),
        )


KEY = LedgerKey(NODE, SPOOL, Stream.LIGHT)
UNSYNCED = [Flag.CLOCK_UNSYNCED]
