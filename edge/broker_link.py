"""One connection to the broker, from CONNECT to its end; paho-mqtt is known here alone.

The library's own reconnecting is off: a new link is a new client, so nothing that an old one held
in memory is published behind the spool's back, and no acknowledgement outlives its connection.
paho's network thread only puts what happens into `events`; all decisions are made elsewhere.
"""

import contextlib
import logging
import queue
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract.limits import MAX_PAYLOAD_BYTES, SESSION_EXPIRY_S
from edge.errors import NodeError, SettingsError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
# paho sends no more than this many unacknowledged messages; the broker may allow fewer.
SEND_WINDOW = 20
# Acknowledgements and commands the broker may send us before we take them.
RECEIVE_WINDOW = 100
# paho's loop turns at least once a second; a PUBACK takes one round trip.
THREAD_SILENT_S = 30.0
PUBACK_TIMEOUT_S = 60.0
PACKET_TOO_LARGE = 0x95


class LinkError(NodeError):
    """No connection to the broker, and why."""


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """Where the broker is and who we are to it; no certificate files means a plain connection."""

    host: str
    port: int
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 30
    session_expiry_s: int = SESSION_EXPIRY_S

    def tls_context(self) -> ssl.SSLContext | None:
        """TLS with our certificate; raises `SettingsError` when a file can't be used."""
        if self.ca_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"certificates {self.ca_file}, {self.cert_file}, {self.key_file}"
                f" can't be used: {error}"
            ) from error
        return context


@dataclass(frozen=True, slots=True)
class Message:
    """Something came down; `link.take(message)` acknowledges it once it is dealt with."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    retained: bool


@dataclass(frozen=True, slots=True)
class Published:
    """The broker's PUBACK for packet `mid`."""

    mid: int
    reason: int

    @property
    def delivered(self) -> bool:
        """0x10 says that nobody was there to take it; from 0x80 on it was refused."""
        return self.reason == 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over."""

    why: str
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Connected:
    failed: bool
    why: str
    receive_max: int
    packet_max_bytes: int


Event = Message | Published | Ended | Connected


class _Client(mqtt.Client):
    """paho's client, with its network thread's pulse and end made visible."""

    pulse_s = 0.0
    on_thread_end: Any = None

    def loop_misc(self) -> MQTTErrorCode:
        self.pulse_s = time.monotonic()
        return super().loop_misc()

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        why = "network thread ended"
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:  # the thread's outermost frame: a silent end would stall us
            log.exception("paho's network thread failed")
            why = f"network thread failed: {error!r}"
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        finally:
            self.on_thread_end(why)


class BrokerLink:
    """One MQTT 5 connection with a persistent session.

    Args:
        will: Topic and payload that the broker publishes when we vanish.

    Attributes:
        events: Where everything that happens arrives, in order; `None` wakes the reader.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        will: tuple[str, bytes],
    ) -> None:
        self.settings = settings
        self.packet_max_bytes = MAX_PAYLOAD_BYTES
        self._receive_max = SEND_WINDOW
        self._unanswered: dict[int, float] = {}
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._open = False
        self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages = SEND_WINDOW
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.will_set(*will, qos=1, retain=False)
        context = settings.tls_context()
        if context is not None:
            self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_thread_end = lambda why: self.events.put(Ended(why))

    def open(self) -> None:
        """Connect and wait for the broker's answer; raises `LinkError` when it says no."""
        where = f"{self.settings.host}:{self.settings.port}"
        try:
            self._client.connect(
                self.settings.host,
                self.settings.port,
                keepalive=self.settings.keepalive_s,
                # paho's own default would wipe our session at the first connect of a process,
                # and with it the acknowledgements that wait for us.
                clean_start=False,
                properties=_connect_properties(self.settings),
            )
        except (OSError, ssl.SSLError, ValueError) as error:
            raise LinkError(f"broker {where} can't be reached: {error}") from error
        self._client.pulse_s = time.monotonic()
        self._client.loop_start()
        try:
            answer = self.events.get(timeout=CONNECT_TIMEOUT_S)
            while answer is None:
                answer = self.events.get(timeout=CONNECT_TIMEOUT_S)
        except queue.Empty:
            self.abandon()
            raise LinkError(f"broker {where} did not answer CONNECT") from None
        if not isinstance(answer, Connected) or answer.failed:
            why = answer.why if isinstance(answer, Connected | Ended) else "unexpected answer"
            self.abandon()
            raise LinkError(f"broker {where} refused the connection: {why}")
        self._receive_max = min(SEND_WINDOW, answer.receive_max)
        self.packet_max_bytes = answer.packet_max_bytes
        self._open = True

    @property
    def capacity(self) -> int:
        """Packets that may be published now without breaking the broker's Receive Maximum."""
        return self._receive_max - len(self._unanswered)

    def subscribe(self, topic_filter: str) -> None:
        self._client.subscribe(topic_filter, qos=1)

    def publish(
        self, topic: str, payload: bytes, user_properties: list[tuple[str, str]] | None = None
    ) -> int:
        """Hand one message to the network thread; return its packet id."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if user_properties:
            properties.UserProperty = user_properties
        info = self._client.publish(topic, payload, qos=1, retain=False, properties=properties)
        self._unanswered[info.mid] = time.monotonic()
        return info.mid

    def answered(self, published: Published) -> None:
        """Count a PUBACK that the reader of `events` has seen."""
        self._unanswered.pop(published.mid, None)

    def take(self, message: Message) -> None:
        """Acknowledge a message to the broker, after it was dealt with."""
        self._client.ack(message.mid, message.qos)

    def stalled(self) -> str | None:
        """What is wrong with a connection that still says it is up, or None."""
        now_s = time.monotonic()
        if now_s - self._client.pulse_s > THREAD_SILENT_S:
            return f"paho's network thread gave no sign for {THREAD_SILENT_S:.0f} s"
        oldest_s = min(self._unanswered.values(), default=now_s)
        if now_s - oldest_s > PUBACK_TIMEOUT_S:
            return f"no PUBACK for {PUBACK_TIMEOUT_S:.0f} s"
        return None

    def close(self) -> None:
        """Say goodbye and end; what is still unanswered is published again by the next link."""
        if self._open:
            self._client.disconnect()
            with contextlib.suppress(queue.Empty):
                while not isinstance(self.events.get(timeout=2), Ended):
                    pass
        self.abandon()

    def abandon(self) -> None:
        """Cut the connection without waiting for a thread that may hang."""
        self._open = False
        for callback in ("on_connect", "on_disconnect", "on_publish", "on_message"):
            setattr(self._client, callback, None)
        self._client.on_thread_end = _nothing
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError, TypeError):
                # Not the TLS socket's own shutdown: that one would unwrap it under the reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # type: ignore[arg-type]

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, props: Any
    ) -> None:
        self.events.put(
            Connected(
                failed=reason.is_failure,
                why=str(reason),
                receive_max=getattr(props, "ReceiveMaximum", 65_535),
                packet_max_bytes=getattr(props, "MaximumPacketSize", 2**28),
            )
        )

    def _on_disconnect(
        self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        self.events.put(Ended(str(reason), reason.value))

    def _on_publish(
        self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _props: Any
    ) -> None:
        self.events.put(Published(mid, reason.value))

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.events.put(
            Message(message.topic, bytes(message.payload), message.mid, message.qos, message.retain)
        )


def _connect_properties(settings: BrokerSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = RECEIVE_WINDOW
    properties.MaximumPacketSize = 2 * MAX_PAYLOAD_BYTES
    return properties


def _nothing(_why: str) -> None:
    """An abandoned link's thread may end when it likes."""
