"""From a message to what is to be stored: records, letters for the dead letter, a status.

Nothing here raises for what came in: a payload that can't be read becomes a letter, and its range,
which travels beside it as user properties, is still accounted for.
"""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from contract import topics
from contract.batch import Batch, BatchRange, Reject, decode_batch
from contract.errors import DecodeError
from contract.limits import MAX_AHEAD_S, WALK_TEST_GRAIN_S, WALK_TEST_MAX_S
from contract.messages import WalkTestCounts, decode_status, decode_walktest
from contract.streams import Stream
from server.ingest.inbound import (
    LedgerKey,
    Letter,
    Message,
    Part,
    RecordsPart,
    StatusPart,
    WalkTestPart,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Topic:
    """A topic taken apart; a city has few, and messages come by the thousand."""

    node_id: str
    kind: str
    stream: Stream | None


@functools.lru_cache(maxsize=16_384)
def _parse_topic(name: str) -> _Topic | None:
    found = topics.parse_up(name)
    return None if found is None else _Topic(found.node_id, found.kind, found.stream)


def decode_message(message: Message) -> Part | None:
    """What `message` asks to be stored, or None when its topic isn't one of ours."""
    topic = _parse_topic(message.topic)
    if topic is None:
        return None
    try:
        return _decode(topic, message)
    except DecodeError as error:
        return _unreadable(topic, message, str(error))
    except Exception as error:
        # A payload that trips us must not stop the others.
        log.exception("decoder failed on a payload of %s", message.topic)
        return _unreadable(topic, message, f"decoder failed: {type(error).__name__}")


def _decode(topic: _Topic, message: Message) -> Part:
    if topic.stream is not None:
        return _records(topic.node_id, message, decode_batch(topic.stream, message.payload))
    if topic.kind == topics.STATUS:
        status = decode_status(message.payload)
        return StatusPart(message=message, node_id=topic.node_id, status=status)
    counts = decode_walktest(message.payload)
    reason = _beyond_a_walk_test(counts, message.received_ms)
    if reason is not None:
        # Not even in the dead letter: that is kept for longer than a day.
        return _unreadable(topic, message, reason, payload=b"")
    return WalkTestPart(message=message, node_id=topic.node_id, counts=counts)


def _beyond_a_walk_test(counts: WalkTestCounts, received_ms: int) -> str | None:
    """Why `counts` would follow single people, or can't come from a test going on now."""
    if not WALK_TEST_GRAIN_S <= counts.dur_s <= WALK_TEST_MAX_S:
        return (
            f"walk test's dur_s is {counts.dur_s}, not {WALK_TEST_GRAIN_S} to {WALK_TEST_MAX_S};"
            " its counts are not kept"
        )
    age_s = (received_ms - counts.t) / 1000
    if not -MAX_AHEAD_S <= age_s <= WALK_TEST_MAX_S + MAX_AHEAD_S:
        return f"walk test's t is {age_s:.0f} s before its receipt; its counts are not kept"
    return None


def _records(node_id: str, message: Message, batch: Batch) -> RecordsPart:
    header = batch.header
    part = RecordsPart(
        message=message,
        node_id=node_id,
        key=LedgerKey(node_id, header.spool, batch.stream),
        low=_honest_low(batch),
        boot=header.boot,
        rev=header.rev,
        sens_db=header.sens_db,
        nonce=header.nonce,
        records=batch.records,
    )
    if batch.rejects:
        runs = _reject_runs(batch, message)
        part.letters = [
            _reject_letter(part, reject, run)
            for reject, run in zip(batch.rejects, runs, strict=True)
        ]
    return part


def _honest_low(batch: Batch) -> int:
    # A `low` above a record in the same batch would write off what is just arriving.
    low = batch.header.low
    for record in batch.records:
        low = min(low, record.seq)
    for reject in batch.rejects:
        low = min(low, reject.seq or low)
    return low


def _reject_runs(batch: Batch, message: Message) -> list[tuple[int, int] | None]:
    """The `seq` of each reject; where it is illegible, by elimination, if only one way is left."""
    illegible = sum(reject.seq is None for reject in batch.rejects)
    missing = _missing(batch, message) if illegible else []
    by_elimination = iter(missing if len(missing) == illegible else [])
    runs: list[tuple[int, int] | None] = []
    for reject in batch.rejects:
        seq = reject.seq if reject.seq is not None else next(by_elimination, None)
        runs.append(None if seq is None else (seq, seq))
    return runs


def _missing(batch: Batch, message: Message) -> Sequence[int]:
    claimed = BatchRange.from_user_properties(message.properties)
    if claimed is None or claimed.spool != batch.header.spool:
        return []
    seen = {r.seq for r in batch.records} | {r.seq for r in batch.rejects}
    return [seq for seq in range(claimed.first, claimed.last + 1) if seq not in seen]


def _reject_letter(part: RecordsPart, reject: Reject, run: tuple[int, int] | None) -> Letter:
    first, last = run or (None, None)
    return Letter(
        topic=part.message.topic,
        payload=reject.payload,
        reason=reject.reason,
        received_ms=part.message.received_ms,
        node_id=part.node_id,
        spool=part.key.spool,
        stream=part.key.stream,
        boot=part.boot,
        rev=part.rev,
        sens_db=part.sens_db,
        first=first,
        last=last,
    )


def _unreadable(topic: _Topic, message: Message, reason: str, payload: bytes | None = None) -> Part:
    letter = Letter(
        topic=message.topic,
        payload=message.payload if payload is None else payload,
        reason=reason,
        received_ms=message.received_ms,
        node_id=topic.node_id,
        stream=topic.stream,
    )
    claimed = BatchRange.from_user_properties(message.properties)
    if topic.stream is None or claimed is None:
        return Part(message=message, node_id=topic.node_id, letters=[letter])
    return _accounted(topic.node_id, topic.stream, message, letter, claimed)


def _accounted(
    node_id: str, stream: Stream, message: Message, letter: Letter, claimed: BatchRange
) -> RecordsPart:
    letter.spool, letter.first, letter.last = claimed.spool, claimed.first, claimed.last
    return RecordsPart(
        message=message,
        node_id=node_id,
        letters=[letter],
        key=LedgerKey(node_id, claimed.spool, stream),
        low=claimed.low,
    )
