"""An MQTT 5 client with a certificate, that says what the broker answered."""

import contextlib
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from provisioning.localstack import Broker, LocalStack
from server.identity.ca import CredentialFiles

ANSWER_TIMEOUT_S = 5.0


class Session:
    """One connection. `inbox` gets (topic, payload); `ended` gets why the broker cut it."""

    def __init__(self, broker: Broker, files: CredentialFiles | None, client_id: str) -> None:
        self.inbox: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.ended: queue.Queue[ReasonCode] = queue.Queue()
        self._answers: dict[int, ReasonCode] = {}
        self._answered = threading.Condition()
        self.answer_to_connect: queue.Queue[tuple[ReasonCode, dict[str, Any]]] = queue.Queue()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        context = ssl.create_default_context(cafile=str(broker.ca_file))
        if files is not None:
            context.load_cert_chain(files.certificate, files.key)
        self.client.tls_set_context(context)
        self.client.on_connect = lambda _c, _u, _f, reason, props: self.answer_to_connect.put(
            (reason, props.json() if props else {})
        )
        self.client.on_disconnect = lambda _c, _u, _f, reason, _p: self.ended.put(reason)
        self.client.on_message = lambda _c, _u, m: self.inbox.put((m.topic, bytes(m.payload)))
        self.client.on_publish = lambda _c, _u, mid, reason, _p: self._answer(mid, reason)
        self.client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._answer(mid, reasons[0])
        self.port = broker.port

    def connect(self) -> tuple[ReasonCode, dict[str, Any]]:
        """Connect and return the broker's reason and properties; `queue.Empty` without any."""
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        return self.answer_to_connect.get(timeout=ANSWER_TIMEOUT_S)

    def publish(
        self,
        topic: str,
        payload: bytes = b"{}",
        *,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> str:
        """Publish with QoS 1 and return the name of the PUBACK's reason."""
        sent = self.client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        return self._wait_for(sent.mid)

    def subscribe(self, topic_filter: str) -> str:
        """Subscribe with QoS 1 and return the name of the SUBACK's reason."""
        _, mid = self.client.subscribe(topic_filter, qos=1)
        assert mid is not None
        return self._wait_for(mid)

    def drain(self, quiet_s: float) -> list[tuple[str, bytes]]:
        """All that comes until nothing has come for `quiet_s`."""
        got = []
        with contextlib.suppress(queue.Empty):
            while True:
                got.append(self.inbox.get(timeout=quiet_s))
        return got

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _answer(self, mid: int, reason: ReasonCode) -> None:
        with self._answered:
            self._answers[mid] = reason
            self._answered.notify_all()

    def _wait_for(self, mid: int) -> str:
        with self._answered:
            assert self._answered.wait_for(lambda: mid in self._answers, ANSWER_TIMEOUT_S), (
                f"no answer to message {mid} within {ANSWER_TIMEOUT_S} s"
            )
            return str(self._answers.pop(mid))


Open = Callable[..., Session]


@pytest.fixture(scope="module", autouse=True)
def no_session_left(stack: LocalStack) -> None:
    """Restart the broker: an ingester of an earlier test would still be subscribed."""
    stack.broker.stop()
    stack.broker.start()


@pytest.fixture
def open_session(
    broker: Broker, client_certificate: Callable[[str], CredentialFiles]
) -> Iterator[Open]:
    """`open_session("lamp-01")`: connected; or with `files=` and `client_id=` of one's own."""
    sessions: list[Session] = []

    def open_as(
        common_name: str, *, files: CredentialFiles | None = None, client_id: str | None = None
    ) -> Session:
        files = files or client_certificate(common_name)
        session = Session(broker, files, common_name if client_id is None else client_id)
        sessions.append(session)
        reason, _ = session.connect()
        assert not reason.is_failure, reason
        return session

    yield open_as
    for session in sessions:
        session.close()


def user_properties(**values: str) -> Properties:
    """PUBLISH properties as a node sends them beside a batch."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = list(values.items())
    return properties
