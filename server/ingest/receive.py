"""Messages from the broker, each acknowledged only when the writer says so.

What paho-mqtt 2 needs to be told, each found by losing messages: a clean start is its default for
the first connect of a process and wipes the session; without a Receive Maximum the broker sends 20
messages ahead; an exception in a callback kills the network thread while `is_connected()` stays
true; an acknowledgement that is queued while it reconnects goes out before CONNECT. The last is why
every message carries the epoch of its connection, and why acknowledgements are sent under a lock
that the disconnect callback takes too.
"""

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract import topics
from contract.limits import SESSION_EXPIRY_S
from contract.streams import Stream
from server.ingest.broker_access import BrokerAccess
from server.ingest.inbound import Message
from server.ingest.metrics import Metrics

log = logging.getLogger(__name__)

KEEPALIVE_S = 20
RECONNECT_MAX_S = 15
# Nothing at all from the broker, not even an answer to a ping, for this long: start anew.
SILENCE_S = 3 * KEEPALIVE_S
# How long the broker keeps an acknowledgement for a node that is offline. The node sends again what
# it still holds when it is back, and is answered then; an answer from before could be older than
# the database's last restore, and would delete what isn't there.
ACK_EXPIRES_S = 120
KINDS = (*(stream.value for stream in Stream), topics.STATUS, topics.WALKTEST)


class Receiver(Protocol):
    """What the writer needs of a connection to the broker."""

    def take(self, timeout_s: float) -> Message | None:
        """The next message of the present connection, or None when none came in time."""

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """PUBACK those that came by the present connection; the others are void."""

    def is_current(self, message: Message) -> bool:
        """Whether it came by the present connection; else the broker sends it again."""

    def publish(self, topic: str, payload: bytes) -> None:
        """An answer to a node: QoS 1, not retained; dropped while there is no connection."""

    def waiting(self) -> int:
        """How many messages `take` could return at once."""


class PahoReceiver:
    """A `Receiver` on paho-mqtt, with a watchdog of its own; a context manager.

    Args:
        kinds: Which of `KINDS` to subscribe; what an earlier run subscribed beyond is ended.
        receive_maximum: Messages the broker may send ahead of acknowledgement; bounds memory.
    """

    def __init__(
        self,
        access: BrokerAccess,
        *,
        kinds: Sequence[str] = KINDS,
        receive_maximum: int,
        metrics: Metrics,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._access = access
        self._client_id = access.client_id()
        self._kinds = tuple(kinds)
        self._receive_maximum = receive_maximum
        self._metrics = metrics
        self._silence_s = silence_s
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        # Guards epoch, live and the present client.
        self._lock = threading.Lock()
        self._epoch = 0
        self._live = False
        self._closing = threading.Event()
        self._client = self._new_client()
        self._watchdog = threading.Thread(target=self._watch, name="ingest-watchdog", daemon=True)

    def __enter__(self) -> "PahoReceiver":
        self._start(self._client)
        self._watchdog.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._live

    def take(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if message.epoch == self._epoch:
                return message

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """PUBACK those of the present connection."""
        with self._lock:
            if not self._live:
                return
            for message in messages:
                if message.epoch == self._epoch and message.mid:  # 0: QoS 0
                    self._client.ack(message.mid, 1)

    def is_current(self, message: Message) -> bool:
        """Whether it came by the present connection."""
        return self._live and message.epoch == self._epoch

    def publish(self, topic: str, payload: bytes) -> None:
        """QoS 1, not retained, soon expired; a node that misses it sends its batch again."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = ACK_EXPIRES_S
        # Not under the lock: paho calls back with its own lock held.
        if self._live:
            self._client.publish(topic, payload, qos=1, properties=properties)

    def waiting(self) -> int:
        """How many messages are queued."""
        return self._messages.qsize()

    def close(self) -> None:
        """Send what is queued, then DISCONNECT; the session stays at the broker."""
        self._closing.set()
        if self._watchdog.is_alive():
            self._watchdog.join()
        self._client.disconnect()
        self._client.loop_stop()
        self._went_away()

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        self._access.set_tls(client)
        client.reconnect_delay_set(1, RECONNECT_MAX_S)
        # What we publish stays within paho's default window of 20, which brokers allow.
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        return client

    def _start(self, client: mqtt.Client) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = self._receive_maximum
        client.connect_async(
            self._access.host,
            self._access.port,
            keepalive=KEEPALIVE_S,
            clean_start=False,
            properties=properties,
        )
        client.loop_start()

    # Callbacks, in paho's network thread. None may raise: that would end the thread.

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: Any,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            log.error("broker refused %s: %s", self._client_id, reason)
            return
        with self._lock:
            self._epoch += 1
            self._live = True
        self._forget_queued()
        self._metrics.connects.labels("broker").inc()
        self._metrics.connected.set(1)
        self._subscribe(client)
        log.info(
            "connected to %s:%d as %s, session %s",
            self._access.host,
            self._access.port,
            self._client_id,
            "resumed" if flags.session_present else "new",
        )

    def _subscribe(self, client: mqtt.Client) -> None:
        client.subscribe([(topics.up_filter(kind), 1) for kind in self._kinds])
        unwanted = [topics.up_filter(kind) for kind in KINDS if kind not in self._kinds]
        if unwanted:
            client.unsubscribe(unwanted)

    def _on_subscribe(
        self,
        client: mqtt.Client,
        userdata: Any,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        for kind, reason in zip(self._kinds, reasons, strict=False):
            if reason.is_failure:
                log.error("broker refused the subscription to %s: %s", kind, reason)

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: Any,
        mid: int,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        # 0x10, nobody subscribed, is a node that went offline: it asks again when it is back.
        if reason.is_failure:
            log.error("broker refused an acknowledgement to a node: %s", reason)

    def _on_connect_fail(self, client: mqtt.Client, userdata: Any) -> None:
        log.warning(
            "broker can't be reached at %s:%d, trying again", self._access.host, self._access.port
        )

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: Any,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        self._went_away()
        if not self._closing.is_set():
            log.warning("connection to the broker ended: %s", reason)

    def _on_message(self, client: mqtt.Client, userdata: Any, received: mqtt.MQTTMessage) -> None:
        if client is not self._client:
            return
        try:
            message = Message(
                epoch=self._epoch,
                mid=received.mid,
                topic=received.topic,
                payload=bytes(received.payload),
                received_ms=int(time.time() * 1000),
                properties=getattr(received.properties, "UserProperty", ()),
            )
        except Exception:
            log.exception("a message could not be taken and stays unacknowledged")
            return
        self._messages.put(message)

    def _went_away(self) -> None:
        with self._lock:
            self._live = False
        self._metrics.connected.set(0)

    def _forget_queued(self) -> None:
        """Drop what an earlier connection brought: the broker sends it again by this one."""
        try:
            while True:
                self._messages.get_nowait()
        except queue.Empty:
            pass

    # Watchdog

    def _watch(self) -> None:
        while not self._closing.wait(min(5.0, self._silence_s / 4)):
            self._metrics.queued.set(self.waiting())
            trouble = self._trouble()
            if trouble:
                log.error("%s; connecting anew", trouble)
                self._metrics.watchdog.inc()
                try:
                    self._replace_client()
                except Exception:
                    # The thread's outermost frame: without it nobody would try again.
                    log.exception("no new connection could be begun")

    def _trouble(self) -> str | None:
        # paho has no public way to ask either of these.
        thread = self._client._thread
        if thread is None or not thread.is_alive():
            return "the broker connection's thread is dead"
        silent_s = time.monotonic() - self._client._last_bytes_received
        if self._live and silent_s > self._silence_s:
            return f"nothing from the broker for {silent_s:.0f} s"
        return None

    def _replace_client(self) -> None:
        # First: while the certificate's files are being renewed, it fails.
        new = self._new_client()
        old = self._client
        self._went_away()
        with self._lock:
            self._client = new
        # Not joined: its thread may hang for good. Without its socket it ends if it still can.
        old._thread_terminate = True
        sock = old.socket()
        if sock is not None:
            with contextlib.suppress(OSError, TypeError):
                # Not the TLS socket's own shutdown: that one would unwrap it under the reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # type: ignore[arg-type]
        self._start(new)
