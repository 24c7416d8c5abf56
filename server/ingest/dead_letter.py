"""The dead letter: what can't be stored is kept whole, once, and never pushed out by more of it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg

from server.ingest.inbound import Letter

# Adding takes this lock, so that two ingesters can't pass the bound together.
_LOCK_ID = 0x6D736C_DEAD

_UPSERT = """
INSERT INTO dead_letter (topic_payload_sha256, topic, payload, node_id, spool, stream, boot, rev,
    sens_db, first_seq, last_seq, reason, count, first_at, last_at)
VALUES (%(sha256)s, %(topic)s, %(payload)s, %(node_id)s, %(spool)s, %(stream)s, %(boot)s, %(rev)s,
    %(sens_db)s, %(first)s, %(last)s, %(reason)s, %(count)s,
    to_timestamp(%(received_s)s), to_timestamp(%(received_s)s))
ON CONFLICT (topic_payload_sha256) DO UPDATE SET
    count = dead_letter.count + excluded.count, last_at = excluded.last_at
"""


class DeadLetterFull(Exception):
    """There is no room for what is new; nothing was written. Storing it is worth another try
    once somebody has replayed or purged."""

    def __init__(self, rows_n: int, max_rows: int) -> None:
        super().__init__(
            f"dead letter holds {rows_n} of {max_rows} payloads; look at them with"
            " `msl dead-letters list`, then replay or purge"
        )


def fingerprint(letter: Letter) -> bytes:
    """What makes two letters the same: topic, line of `seq` and payload."""
    parts = (letter.topic.encode(), (letter.spool or "").encode(), letter.payload)
    return hashlib.sha256(b"\0".join(parts)).digest()


def add(cur: psycopg.Cursor[Any], letters: Sequence[Letter], *, max_rows: int) -> None:
    """Keep `letters`, each once; a repeated one is counted.

    Raises `DeadLetterFull` when that would make more than `max_rows`.
    """
    found = {fingerprint(letter): letter for letter in reversed(letters)}
    seen_n = Counter(map(fingerprint, letters))
    cur.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_ID,))
    _require_room(cur, list(found), max_rows)
    for sha256, letter in sorted(found.items()):
        cur.execute(
            _UPSERT,
            {
                "sha256": sha256,
                "topic": letter.topic,
                "payload": letter.payload,
                "node_id": letter.node_id,
                "spool": letter.spool,
                "stream": letter.stream.value if letter.stream else None,
                "boot": letter.boot,
                "rev": letter.rev,
                "sens_db": letter.sens_db,
                "first": letter.first,
                "last": letter.last,
                "reason": letter.reason,
                "count": seen_n[sha256],
                "received_s": letter.received_ms / 1000,
            },
        )


def _require_room(cur: psycopg.Cursor[Any], hashes: list[bytes], max_rows: int) -> None:
    cur.execute(
        "SELECT count(*), count(*) FILTER (WHERE topic_payload_sha256 = ANY(%s)) FROM dead_letter",
        (hashes,),
    )
    rows_n, known_n = cur.fetchone() or (0, 0)
    new_n = len(hashes) - known_n
    if new_n and rows_n + new_n > max_rows:
        raise DeadLetterFull(rows_n, max_rows)
