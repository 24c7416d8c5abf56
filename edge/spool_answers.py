"""What the spool answers: records to send, what an acknowledgement did, how full it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from contract.streams import Stream
from edge.errors import NodeError
from edge.spool_rows import Origin


class SpoolUnwritable(NodeError):
    """The disk refused a commit; what was to be written waits in memory for the next one."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


class AckEffect(Enum):
    """What an acknowledgement did."""

    MOVED = auto()
    REPEATED = auto()
    OTHER_SPOOL = auto()
    AHEAD = auto()


@dataclass(frozen=True, slots=True)
class Slice:
    """Records of one stream in unbroken order, ready for a batch."""

    spool: str
    stream: Stream
    origin: Origin
    first: int
    last: int
    low: int
    blobs: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Depth:
    """How full the spool is."""

    records_n: int
    used_bytes: int
    oldest_made_ms: int | None
