"""Messages from the broker, each acknowledged only when the writer says so.

A connection has a number, its epoch: what came by an earlier one will be sent again by the broker,
and a PUBACK for it would answer for somebody else's packet id. One thread owns the connection; it
connects anew whatever happens, and watches for a broker that says nothing at all.

What holds, whatever the network does: nothing is acknowledged that the writer hasn't asked for, at
most once a packet id, and only on the connection that it came by; what waits in memory is bounded
by Receive Maximum; a refused subscription is asked for again and shown as a metric.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from contract import topics
from contract.limits import MAX_PAYLOAD_BYTES, SESSION_EXPIRY_S
from contract.streams import Stream
from server.errors import MslError
from server.ingest.answers import FAILURE, Answer, Answering
from server.ingest.broker_access import BrokerAccess
from server.ingest.inbound import Message
from server.ingest.metrics import Metrics
from server.ingest.mqtt import packets
from server.ingest.mqtt.link import Link, LinkEnded, Silent
from server.ingest.mqtt.packets import Kind, Malformed, Packet, Publish

log = logging.getLogger(__name__)

KEEPALIVE_S = 20
RECONNECT_FIRST_S = 0.5
RECONNECT_MAX_S = 15.0
# Nothing at all from the broker, not even an answer to a ping, for this long: start anew.
SILENCE_S = 3 * KEEPALIVE_S
# How long the broker keeps an acknowledgement for a node that is offline. The node sends again what
# it still holds when it is back, and is answered then; an answer from before could be older than
# the database's last restore, and would delete what isn't there.
ACK_EXPIRES_S = 120
KINDS = (*(stream.value for stream in Stream), topics.STATUS, topics.WALKTEST)

# A payload with everything around it. The broker is told, and keeps what is larger to itself: the
# node is never answered for it, and cuts it up. One that sends it all the same is not ours.
MAX_PACKET_BYTES = 2 * MAX_PAYLOAD_BYTES
# An answer to a node is about 100 bytes; a broker that takes less could not be answered through.
LEAST_PACKET_BYTES = 512
# A subscription that the broker refused, usually by its access list: somebody may be mending it.
RESUBSCRIBE_S = 30.0
# Answers to nodes on their way at once; the broker may allow fewer.
ANSWERS_MAX = 200
# And waiting for their turn. A node whose answer is dropped sends its batch again.
ANSWERS_WAITING_MAX = 100_000
TURN_S = 1.0
# What is queued when we are told to stop has this long to leave.
LAST_WORDS_S = 2.0
RECEIVE_MAXIMUM_EXCEEDED = 0x93
# Brokers count a little differently; twice what was allowed is no counting.
OPEN_FACTOR = 2
SUBSCRIBE_MID, UNSUBSCRIBE_MID = 1, 2


class TooManyOpen(LinkEnded):
    """The broker has sent far more than it may without an acknowledgement."""


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


class MqttReceiver:
    """A `Receiver` on a connection of its own; a context manager.

    Args:
        kinds: Which of `KINDS` to subscribe; what an earlier run subscribed beyond is ended.
        receive_maximum: Messages the broker may send ahead of acknowledgement; bounds memory.

    Raises:
        NoClientName, BrokerFilesUnusable: At once, for files that can't be used.
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
        access.tls_context()
        self._kinds = tuple(kinds)
        self._receive_maximum = receive_maximum
        self._metrics = metrics
        self._silence_s = silence_s
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        # Guards epoch, link and what is open: an acknowledgement belongs to all three.
        self._lock = threading.Lock()
        self._epoch = 0
        self._link: Link | None = None
        self._open: set[int] = set()
        self._asked_kinds: list[str] = []
        self._refused_kinds: list[str] = []
        self._resubscribe_at_s = 0.0
        self._answers: deque[Answer] = deque(maxlen=ANSWERS_WAITING_MAX)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-broker", daemon=True)

    def __enter__(self) -> "MqttReceiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._link is not None

    @property
    def epoch(self) -> int:
        """Which connection is the present one, from 1."""
        return self._epoch

    def take(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                return None
            if message.epoch == self._epoch:
                return message

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """PUBACK those of the present connection."""
        with self._lock:
            if self._link is not None:
                epoch = self._epoch
                mids = [m.mid for m in messages if m.epoch == epoch and m.mid]  # 0: QoS 0
                self._open.difference_update(mids)
                self._link.send(packets.pubacks(mids))

    def is_current(self, message: Message) -> bool:
        """Whether it came by the present connection."""
        return self._link is not None and message.epoch == self._epoch

    def publish(self, topic: str, payload: bytes) -> None:
        """QoS 1, not retained, soon expired; a node that misses it sends its batch again."""
        with self._lock:
            if self._link is not None:
                self._answers.append(Answer(topic, payload, ACK_EXPIRES_S))
                self._link.wake()

    def waiting(self) -> int:
        """How many messages are queued."""
        return self._messages.qsize()

    def cut(self) -> None:
        """End the present connection, as a router would; another follows by itself."""
        with self._lock:
            if self._link is not None:
                self._link.cut()

    def close(self) -> None:
        """Send what is queued, then DISCONNECT; the session stays at the broker."""
        self._closing.set()
        with self._lock:
            if self._link is not None:
                self._link.wake()
        self._thread.join()

    # In the thread

    def _run(self) -> None:
        wait_s = RECONNECT_FIRST_S
        while not self._closing.is_set():
            began_s = time.monotonic()
            try:
                self._converse()
            except (OSError, Malformed, MslError) as error:
                self._say(error)
            except Exception:
                # The thread's outermost frame: without it nobody would try again.
                log.exception("the connection to the broker failed in a way that nobody foresaw")
            finally:
                self._went_away()
            if time.monotonic() - began_s > RECONNECT_MAX_S:
                wait_s = RECONNECT_FIRST_S
            self._closing.wait(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_MAX_S)

    def _say(self, error: Exception) -> None:
        where = f"{self._access.host}:{self._access.port}"
        if self._link is None:
            log.warning("no connection to the broker at %s, trying again: %s", where, error)
            return
        log.warning("connection to the broker ended, connecting anew: %s", error)
        if isinstance(error, Silent | Malformed | TooManyOpen):
            self._metrics.watchdog.inc()

    def _converse(self) -> None:
        """One connection, from CONNECT until it ends or we close."""
        link = Link(
            self._access.host,
            self._access.port,
            self._access.tls_context(),
            packets.connect(
                self._client_id,
                KEEPALIVE_S,
                SESSION_EXPIRY_S,
                self._receive_maximum,
                MAX_PACKET_BYTES,
            ),
            keepalive_s=KEEPALIVE_S,
            silence_s=self._silence_s,
            max_bytes=MAX_PACKET_BYTES,
        )
        try:
            self._begin(link)
            answering = Answering(link, min(ANSWERS_MAX, link.connack.receive_maximum))
            while not self._closing.is_set():
                answering.fill(self._answers)
                self._sort(link.turn(TURN_S), answering)
                self._subscribe_refused(link)
                self._metrics.queued.set(self.waiting())
            self._take_leave(link, answering)
        except TooManyOpen:
            link.send(packets.disconnect(RECEIVE_MAXIMUM_EXCEEDED))
            with contextlib.suppress(OSError, Malformed):
                link.turn(0)
            raise
        finally:
            link.close()

    def _begin(self, link: Link) -> None:
        allowed_bytes = link.connack.maximum_packet_size
        if allowed_bytes < LEAST_PACKET_BYTES:
            raise LinkEnded(
                f"the broker takes packets of {allowed_bytes} bytes; answers to nodes need"
                f" {LEAST_PACKET_BYTES}: set its max_packet_size"
            )
        self._forget_queued()
        with self._lock:
            self._epoch += 1
            self._link = link
            self._open.clear()
        self._metrics.connects.labels("broker").inc()
        self._metrics.connected.set(1)
        self._subscribe(link, self._kinds)
        unwanted = [topics.up_filter(kind) for kind in KINDS if kind not in self._kinds]
        if unwanted:
            link.send(packets.unsubscribe(UNSUBSCRIBE_MID, unwanted))
        log.info(
            "connected to %s:%d as %s, session %s",
            self._access.host,
            self._access.port,
            self._client_id,
            "resumed" if link.connack.session_present else "new",
        )

    def _sort(self, came: Sequence[Packet | Publish], answering: Answering) -> None:
        received_ms = int(time.time() * 1000)
        epoch, put = self._epoch, self._messages.put
        for packet in came:
            if isinstance(packet, Publish):
                if packet.mid and not self._opened(packet.mid):
                    continue
                put(
                    Message(
                        epoch, packet.mid, packet.topic, packet.payload, received_ms,
                        packet.properties,
                    )
                )  # fmt: skip
            elif packet.kind == Kind.PUBACK:
                answering.settled(packet.body)
            elif packet.kind == Kind.SUBACK:
                self._subscribed(packet.body)
            elif packet.kind == Kind.DISCONNECT:
                reason = packet.body[0] if packet.body else 0
                said = packets.reason_text(reason)
                raise LinkEnded(f"the broker ended the connection with reason {said}")
            elif packet.kind not in (Kind.PINGRESP, Kind.UNSUBACK):
                raise Malformed(f"packet type {packet.kind}, which a broker doesn't send us")

    def _opened(self, mid: int) -> bool:
        """Note a packet id as unanswered; False for one that is: it gets its answer once.

        Raises:
            TooManyOpen: The broker sends ahead without end, and memory has one.
        """
        with self._lock:
            if mid in self._open:
                return False
            self._open.add(mid)
            if len(self._open) > OPEN_FACTOR * self._receive_maximum:
                raise TooManyOpen(
                    f"{len(self._open)} messages unanswered; the broker was allowed"
                    f" {self._receive_maximum}"
                )
        return True

    def _subscribe(self, link: Link, kinds: Sequence[str]) -> None:
        self._asked_kinds, self._refused_kinds = list(kinds), []
        link.send(packets.subscribe(SUBSCRIBE_MID, map(topics.up_filter, kinds)))

    def _subscribed(self, body: bytes) -> None:
        _, reasons = packets.read_reasons(body)
        if len(reasons) != len(self._asked_kinds):
            raise Malformed(f"{len(reasons)} answers to {len(self._asked_kinds)} subscriptions")
        for kind, reason in zip(self._asked_kinds, reasons, strict=True):
            if reason >= FAILURE:
                self._refused_kinds.append(kind)
                log.error(
                    "broker refused the subscription to %s with reason %s; asking again in %.0f s",
                    kind, packets.reason_text(reason), RESUBSCRIBE_S,
                )  # fmt: skip
        self._resubscribe_at_s = time.monotonic() + RESUBSCRIBE_S
        self._metrics.refused_subscriptions.set(len(self._refused_kinds))

    def _subscribe_refused(self, link: Link) -> None:
        if self._refused_kinds and time.monotonic() >= self._resubscribe_at_s:
            self._subscribe(link, self._refused_kinds)

    def _take_leave(self, link: Link, answering: Answering) -> None:
        until_s = time.monotonic() + LAST_WORDS_S
        answering.fill(self._answers)
        while (link.unsent_bytes() or self._answers) and time.monotonic() < until_s:
            self._sort(link.turn(0.1), answering)
            answering.fill(self._answers)
        link.send(packets.DISCONNECT)
        with contextlib.suppress(LinkEnded):  # which is what we asked for
            link.turn(0)

    def _went_away(self) -> None:
        with self._lock:
            self._link = None
            self._answers.clear()
        self._metrics.connected.set(0)

    def _forget_queued(self) -> None:
        """Drop what an earlier connection brought: the broker sends it again by this one."""
        try:
            while True:
                self._messages.get_nowait()
        except queue.Empty:
            pass
