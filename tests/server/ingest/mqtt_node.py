"""A node's side of the broker, as bare as can be: publish and wait for the PUBACK, hear acks."""

import queue
import threading
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contract import topics
from contract.messages import Ack, decode_ack
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from server.ingest.inbound import Message


class MqttNode:
    """A context manager; what the server answers lands in `acks` as (topic, ack).

    Its session, if it is to have one, is the one that an earlier such node left at the broker.
    """

    def __init__(
        self, node_id: str, broker: Broker, files: CredentialFiles, session_expiry_s: int = 0
    ) -> None:
        self._node_id = node_id
        self.acks: queue.SimpleQueue[tuple[str, Ack]] = queue.SimpleQueue()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=node_id, protocol=mqtt.MQTTv5
        )
        self._client.tls_set(str(broker.ca_file), str(files.certificate), str(files.key))
        self._client.on_message = self._heard
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.max_inflight_messages_set(50)
        self._broker = broker
        self._session_expiry_s = session_expiry_s

    def __enter__(self) -> Self:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_expiry_s
        self._client.connect(
            "127.0.0.1", self._broker.port, clean_start=False, properties=properties
        )
        self._client.loop_start()
        self._client.subscribe(topics.down_filter(self._node_id), qos=1)
        assert self._subscribed.wait(60), "the broker answered no subscription within 60 s"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, *messages: Message) -> None:
        """Publish what `Wire` built, and wait until the broker has answered."""
        infos = []
        for message in messages:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = list(message.properties)
            infos.append(
                self._client.publish(message.topic, message.payload, 1, properties=properties)
            )
        for info in infos:
            info.wait_for_publish(10)

    def ack(self, timeout_s: float = 10) -> Ack:
        """The next end-to-end acknowledgement; raises queue.Empty when none comes."""
        return self.acks.get(timeout=timeout_s)[1]

    def ack_of(self, seq: int, timeout_s: float = 10) -> Ack:
        """The acknowledgement of everything up to `seq`, letting earlier ones pass."""
        while True:
            found = self.ack(timeout_s)
            if found.seq >= seq:
                return found

    def _heard(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        self.acks.put((message.topic, decode_ack(bytes(message.payload))))
