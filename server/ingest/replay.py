"""Dead letters tried again: with better software, or after a limit was put right."""

from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from contract.batch import BatchRange, Header, encode_batch
from server.errors import MslError
from server.ingest.decode import decode_message
from server.ingest.inbound import Message, Part, RecordsPart
from server.ingest.store import store

_READ = """
SELECT topic, payload, spool, boot, rev, sens_db, first_seq, last_seq,
       (extract(epoch FROM first_at) * 1000)::bigint AS received_ms
FROM dead_letter WHERE dead_letter_id = %s
"""


class NoSuchLetter(MslError):
    """There is no dead letter with that number."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it.

    Attributes:
        stored, held, duplicate: Records.
        refused: Why it stays, or None.
    """

    stored: int = 0
    held: int = 0
    duplicate: int = 0
    refused: str | None = None


def replay(conn: psycopg.Connection, dead_letter_id: int, *, max_rows: int) -> Replay:
    """Try to store a dead letter; what succeeds leaves `rejected` for `stored`.

    Safe to repeat. The letter stays, marked with the time, until it is purged. Its time of receipt
    is the original one, so that a clock that was wrong then is still held.

    Raises:
        NoSuchLetter: The number is wrong.
        psycopg.DataError, psycopg.IntegrityError: PostgreSQL still refuses a value.
    """
    part = decode_message(_message(conn, dead_letter_id))
    if part is None:
        return Replay(refused="its topic is no topic of a node")
    if part.letters and not (isinstance(part, RecordsPart) and part.records):
        return Replay(refused=part.letters[0].reason)
    with conn.transaction():
        done = store(conn, [part], dead_letter_max_rows=max_rows)
        if done.unknown:
            return Replay(refused=f"the registry doesn't know {part.node_id}")
        if done.conflicts:
            return Replay(refused=done.conflicts[0].reason)
        conn.execute(
            "UPDATE dead_letter SET replayed_at = now() WHERE dead_letter_id = %s",
            (dead_letter_id,),
        )
    return _counts(part, done.records)


def _counts(part: Part, records: Any) -> Replay:
    if not isinstance(part, RecordsPart):
        return Replay()
    stream = part.key.stream.value
    return Replay(
        stored=records[stream, "stored"],
        held=records[stream, "held"],
        duplicate=records[stream, "duplicate"],
    )


def _message(conn: psycopg.Connection, dead_letter_id: int) -> Message:
    with conn.cursor(row_factory=dict_row) as cur:
        row = cur.execute(_READ, (dead_letter_id,)).fetchone()
    if row is None:
        raise NoSuchLetter(f"there is no dead letter {dead_letter_id}; see msl dead-letters list")
    properties: list[tuple[str, str]] = []
    if row["first_seq"] is not None:
        # `low` 1 says nothing about what is lost: that was settled when it came first.
        claimed = BatchRange(row["spool"], row["first_seq"], row["last_seq"], 1)
        properties = claimed.as_user_properties()
    return Message(
        epoch=0,
        mid=0,
        topic=row["topic"],
        payload=_payload(row),
        received_ms=row["received_ms"],
        properties=properties,
    )


def _payload(row: dict[str, Any]) -> bytes:
    """The batch as it came, or a batch around the one record that was kept of it."""
    if row["boot"] is None:
        return bytes(row["payload"])
    header = Header(
        v=1, spool=row["spool"], boot=row["boot"], rev=row["rev"], low=1, sens_db=row["sens_db"]
    )
    return encode_batch(header, [msgspec.Raw(bytes(row["payload"]))])
