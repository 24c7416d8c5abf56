"""A server in miniature at the other end of a real broker: it takes batches and acknowledges.

It keeps the ledger that the real ingester keeps in its database: which `seq` of which spool are
in, and what is declared lost. Tests tell it what to leave out, or to keep silent.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contract import topics
from contract.batch import Batch, BatchRange, decode_batch
from contract.events import EventRecord, Lost
from contract.json import encode
from contract.messages import Ack
from contract.streams import Stream
from edge.broker_link import BrokerSettings

Line = tuple[str, Stream]


class FakeServer:
    """Subscribes to everything that goes up.

    Attributes:
        takes: Whether it wants a batch; one it doesn't want is dropped without a word.
        silent: Store, but acknowledge nothing.
    """

    def __init__(self, settings: BrokerSettings, client_id: str = "srv-ingest-light") -> None:
        self.takes: Callable[[Batch], bool] = lambda batch: True
        self.silent = False
        self.stored: dict[Line, dict[int, bytes]] = defaultdict(dict)
        self.lost: dict[Line, set[int]] = defaultdict(set)
        self._complete: dict[Line, int] = defaultdict(int)
        self.batches: list[tuple[Batch, BatchRange]] = []
        self.statuses: dict[str, list[bytes]] = defaultdict(list)
        self.retained: list[str] = []
        self.changed = threading.Condition()
        self._subscribed = threading.Event()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        context = settings.tls_context()
        if context is not None:
            self.client.tls_set_context(context)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 1000
        # A clean session now, the same one after every reconnect.
        self.client.connect(settings.host, settings.port, properties=properties)
        self.client.loop_start()
        assert self._subscribed.wait(10)

    def complete_to(self, line: Line) -> int:
        seq = self._complete[line]
        while seq + 1 in self.stored[line] or seq + 1 in self.lost[line]:
            seq += 1
        self._complete[line] = seq
        return seq

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)

    def acknowledge(self, node_id: str, stream: Stream, spool: str, seq: int) -> None:
        payload = encode(Ack(v=1, spool=spool, seq=seq))
        self.client.publish(topics.ack(node_id, stream), payload, qos=1)

    def send_down(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(5)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(f"{topics.ROOT}/+/up/#", qos=1)

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        where = topics.parse_up(message.topic)
        assert where is not None
        with self.changed:
            if message.retain:
                self.retained.append(message.topic)
            if where.stream is None:
                self.statuses[where.node_id].append(bytes(message.payload))
            else:
                self._take(where.node_id, where.stream, message)
            self.changed.notify_all()

    def _take(self, node_id: str, stream: Stream, message: mqtt.MQTTMessage) -> None:
        mark = BatchRange.from_user_properties(message.properties.UserProperty)  # type: ignore[union-attr]
        batch = decode_batch(stream, bytes(message.payload))
        assert mark is not None
        assert not batch.rejects
        self.batches.append((batch, mark))
        if not self.takes(batch):
            return
        line = (mark.spool, stream)
        below = range(self.complete_to(line) + 1, mark.low)
        self.lost[line] |= set(below) - self.stored[line].keys()
        for record in batch.records:
            body = encode(record)
            assert self.stored[line].setdefault(record.seq, body) == body
            if isinstance(record, EventRecord) and isinstance(record.body, Lost):
                lost = record.body
                self.lost[lost.spool, lost.stream] |= set(range(lost.first, lost.last + 1))
        if not self.silent:
            self.acknowledge(node_id, stream, mark.spool, self.complete_to(line))
