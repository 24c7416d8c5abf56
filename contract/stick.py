"""Batches on a stick: what a node without uplink writes to a file, and what the server writes back.

Lines of JSON. The first says whose spool it is, each of the others is one message exactly as it
would have gone to the broker, the last one counts them and carries the SHA-256 of every byte before
it. Each message has its own SHA-256 too, so that a damaged file is good up to the damage.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract import fields as f
from contract import topics
from contract.ids import NODE_ID_PATTERN
from contract.limits import MAX_PAYLOAD_BYTES, MAX_SEQ
from contract.streams import Stream

VERSION = 1
SUFFIX = ".msl-stick"
ACK_SUFFIX = ".ack.json"
# Base64 makes 4 characters of 3 bytes; the rest is the topic, the range and the digest.
MAX_LINE_BYTES = MAX_PAYLOAD_BYTES * 4 // 3 + 2048

NodeId = Annotated[str, Meta(pattern=NODE_ID_PATTERN)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]


class Head(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="head"):
    """Whose records these are."""

    v: Literal[1]
    node: NodeId
    spool: f.SpoolId
    written_ms: f.TimeMs


class Batch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="batch"):
    """One message: topic, MQTT 5 user properties, and the payload (base64 on the line)."""

    topic: str
    properties: Annotated[list[tuple[str, str]], Meta(max_length=16)]
    payload: bytes
    sha256: Sha256


class End(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="end"):
    """The trailer; a file without one was cut off."""

    batches: Annotated[int, Meta(ge=0)]
    sha256: Sha256


class StreamAck(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything up to and including `seq` of `spool` is committed or accounted for."""

    spool: f.SpoolId
    stream: Stream
    seq: Annotated[int, Meta(ge=0, le=MAX_SEQ)]


class Acknowledgement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the server writes beside the file for the node to read."""

    v: Literal[1]
    node: NodeId
    written_ms: f.TimeMs
    acks: list[StreamAck]


class StickDamaged(ValueError):
    """A file is cut off or changed; the message names the batch.

    Attributes:
        batches_n: How many whole batches come before the damage.
    """

    def __init__(self, message: str, batches_n: int) -> None:
        super().__init__(message)
        self.batches_n = batches_n


_LINE: "msgspec.json.Decoder[Head | Batch | End]" = msgspec.json.Decoder(Head | Batch | End)
_ACK = msgspec.json.Decoder(Acknowledgement)
_ENCODER = msgspec.json.Encoder()


class StickWriter:
    """Makes the lines in order: `head`, `batch` as often as wanted, `end`."""

    def __init__(self) -> None:
        self.batches_n = 0
        self._digest = hashlib.sha256()

    def head(self, node: str, spool: str, written_ms: int) -> bytes:
        """The first line."""
        return self._line(Head(v=1, node=node, spool=spool, written_ms=written_ms))

    def batch(self, topic: str, properties: list[tuple[str, str]], payload: bytes) -> bytes:
        """The line of one message."""
        self.batches_n += 1
        sha256 = message_sha256(topic, properties, payload)
        return self._line(Batch(topic=topic, properties=properties, payload=payload, sha256=sha256))

    def end(self) -> bytes:
        """The last line."""
        return self._line(End(batches=self.batches_n, sha256=self._digest.hexdigest()))

    def _line(self, part: Head | Batch | End) -> bytes:
        line = _ENCODER.encode(part) + b"\n"
        self._digest.update(line)
        return line


def message_sha256(topic: str, properties: Iterable[tuple[str, str]], payload: bytes) -> str:
    """Digest of one message, over all that is stored of it."""
    digest = hashlib.sha256(topic.encode())
    for name, value in properties:
        digest.update(f"\0{name}\0{value}".encode())
    digest.update(b"\0\0" + payload)
    return digest.hexdigest()


def read_stick(lines: Iterable[bytes]) -> Iterator[Head | Batch]:
    """The head, then every whole batch, each checked before it is given.

    Args:
        lines: With their ends, none longer than `MAX_LINE_BYTES`.

    Raises:
        StickDamaged: At the first thing that isn't as it was written, also after the last batch.
    """
    digest = hashlib.sha256()
    head: Head | None = None
    batches_n = 0
    for line in lines:
        part = _decoded(line, head is None, batches_n)
        if isinstance(part, End):
            _check_end(part, digest.hexdigest(), batches_n)
            return
        digest.update(line)
        if isinstance(part, Head):
            head = part
        else:
            assert head is not None
            _check_batch(part, head, batches_n)
            batches_n += 1
        yield part
    raise StickDamaged(f"cut off after batch {batches_n}: there is no last line", batches_n)


def decode_acknowledgement(text: bytes) -> Acknowledgement:
    """Raises ValueError saying what is wrong with it."""
    return _ACK.decode(text)


def encode_acknowledgement(ack: Acknowledgement) -> bytes:
    """As the file's content; indented, since somebody may look at it."""
    return msgspec.json.format(_ENCODER.encode(ack), indent=2) + b"\n"


def _decoded(line: bytes, first: bool, batches_n: int) -> Head | Batch | End:
    where = "the first line" if first else f"batch {batches_n + 1}"
    if not line.endswith(b"\n"):
        raise StickDamaged(f"{where} is cut off after {len(line)} bytes", batches_n)
    try:
        part = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StickDamaged(f"{where} can't be read: {error}", batches_n) from None
    if isinstance(part, Head) is not first:
        what = "not written by msl-node export" if first else "a second first line"
        raise StickDamaged(f"{where} is {what}", batches_n)
    return part


def _check_batch(batch: Batch, head: Head, batches_n: int) -> None:
    where = f"batch {batches_n + 1}"
    if message_sha256(batch.topic, batch.properties, batch.payload) != batch.sha256:
        raise StickDamaged(f"{where} has changed since it was written (SHA-256)", batches_n)
    topic = topics.parse_up(batch.topic)
    if topic is None or topic.node_id != head.node or topic.stream is None:
        raise StickDamaged(
            f"{where} has topic {batch.topic[:80]!r}, which is no stream of {head.node}", batches_n
        )


def _check_end(end: End, sha256: str, batches_n: int) -> None:
    if end.batches != batches_n:
        raise StickDamaged(
            f"the last line counts {end.batches} batches, {batches_n} are here", batches_n
        )
    if end.sha256 != sha256:
        raise StickDamaged(
            f"all {batches_n} batches are whole, but the file's SHA-256 is {sha256[:12]}…, the last"
            f" line says {end.sha256[:12]}…",
            batches_n,
        )
