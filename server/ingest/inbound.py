"""What flows through the ingester: a message as received, and its parts as decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.messages import Status, WalkTestCounts
from contract.records import Record
from contract.streams import Stream


@dataclass(slots=True, eq=False)
class Message:
    """One MQTT message, not acknowledged yet.

    Attributes:
        epoch: The connection it came by; an acknowledgement is worth nothing on another one.
        mid: The packet id on that connection.
        received_ms: Time of receipt, UTC, ms since 1970.
        properties: MQTT 5 user properties.
        settled: Its PUBACK has been asked for.
    """

    epoch: int
    mid: int
    topic: str
    payload: bytes
    received_ms: int
    properties: Sequence[tuple[str, str]] = ()
    settled: bool = False


class LedgerKey(NamedTuple):
    """One line of `seq`. A tuple, since it is hashed several times a message."""

    node_id: str
    spool: str
    stream: Stream


@dataclass(slots=True, eq=False)
class Letter:
    """What can't be stored, on its way to the dead letter.

    Attributes:
        first, last: The `seq` it stands for; None when even that wasn't legible.
    """

    topic: str
    payload: bytes
    reason: str
    received_ms: int
    node_id: str
    spool: str | None = None
    stream: Stream | None = None
    boot: str | None = None
    rev: str | None = None
    sens_db: float | None = None
    first: int | None = None
    last: int | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Part:
    """What one message, or a piece of it, asks to be stored."""

    message: Message
    node_id: str
    letters: list[Letter] = field(default_factory=list)


@dataclass(slots=True, eq=False, kw_only=True)
class RecordsPart(Part):
    """Records of one line of `seq`; none when the payload was unreadable but its range known.

    Attributes:
        low: Lowest `seq` the node still holds: what is below and not here will never come.
    """

    key: LedgerKey
    low: int
    boot: str = ""
    rev: str = ""
    sens_db: float | None = None
    nonce: str | None = None
    records: Sequence[Record] = ()

    def halves(self) -> "Iterator[RecordsPart]":
        """The records in two parts; the letters go with the first."""
        middle = len(self.records) // 2
        yield self.with_records(self.records[:middle], self.letters)
        yield self.with_records(self.records[middle:], [])

    def with_records(self, records: Sequence[Record], letters: list[Letter]) -> "RecordsPart":
        """The same header over other contents."""
        return RecordsPart(
            message=self.message,
            node_id=self.node_id,
            letters=letters,
            key=self.key,
            low=self.low,
            boot=self.boot,
            rev=self.rev,
            sens_db=self.sens_db,
            nonce=self.nonce,
            records=records,
        )


@dataclass(slots=True, eq=False, kw_only=True)
class StatusPart(Part):
    """A birth or a will."""

    status: Status


@dataclass(slots=True, eq=False, kw_only=True)
class WalkTestPart(Part):
    """Counts of a walk test."""

    counts: WalkTestCounts
