"""MQTT topics: `msl/v1/<node>/up/<stream>` and `msl/v1/<node>/down/…`."""

from dataclasses import dataclass

from contract.ids import is_node_id
from contract.streams import Stream

ROOT = "msl/v1"
STATUS = "status"
WALKTEST = "walktest"


@dataclass(frozen=True)
class UpTopic:
    """A topic that a node writes: whose, and which stream or unsequenced kind."""

    node_id: str
    kind: str

    @property
    def stream(self) -> Stream | None:
        """The sequenced stream, or None for `status` and `walktest`."""
        return Stream(self.kind) if self.kind in _STREAM_NAMES else None


_STREAM_NAMES = frozenset(s.value for s in Stream)
_UP_KINDS = _STREAM_NAMES | {STATUS, WALKTEST}


def up(node_id: str, kind: Stream | str) -> str:
    """Topic that `node_id` writes for a stream, `status` or `walktest`."""
    return f"{ROOT}/{node_id}/up/{kind}"


def ack(node_id: str, stream: Stream) -> str:
    """Topic on which the server says what it has committed."""
    return f"{ROOT}/{node_id}/down/ack/{stream}"


def config(node_id: str) -> str:
    """Topic on which a node gets its lines, zone and windows."""
    return f"{ROOT}/{node_id}/down/config"


def command(node_id: str) -> str:
    """Topic on which a node is asked to do something once."""
    return f"{ROOT}/{node_id}/down/command"


def up_filter(kind: Stream | str) -> str:
    """Subscription of an ingester for one stream or kind of every node."""
    return f"{ROOT}/+/up/{kind}"


def down_filter(node_id: str) -> str:
    """Subscription of a node to all that is meant for it."""
    return f"{ROOT}/{node_id}/down/#"


def parse_up(topic: str) -> UpTopic | None:
    """The node and kind of an `up` topic, or None when it isn't one of ours."""
    parts = topic.split("/")
    if len(parts) != 5 or f"{parts[0]}/{parts[1]}" != ROOT or parts[3] != "up":
        return None
    if not is_node_id(parts[2]) or parts[4] not in _UP_KINDS:
        return None
    return UpTopic(node_id=parts[2], kind=parts[4])


def parse_ack(topic: str) -> Stream | None:
    """The stream of a `down/ack/<stream>` topic, or None when it isn't one."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[3:5] != ["down", "ack"] or parts[5] not in _STREAM_NAMES:
        return None
    return Stream(parts[5])
