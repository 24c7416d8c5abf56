"""The uplink: takes batches from the spool to the broker, and acknowledgements back.

One thread owns all of it. It keeps a connection up, lets every stream's `Delivery` say what to
publish, and turns what comes back (PUBACKs, end-to-end acknowledgements, configuration, commands)
into calls. Nothing here deletes: the spool does, once an acknowledgement says that it may.
"""

import logging
import queue
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contract import topics
from contract.errors import DecodeError
from contract.json import encode
from contract.limits import MAX_PAYLOAD_BYTES
from contract.messages import Status, WalkTestCounts, decode_ack
from contract.streams import Stream
from edge.batch_payload import payload_of, properties_of
from edge.broker_link import (
    PACKET_TOO_LARGE,
    BrokerLink,
    BrokerSettings,
    Ended,
    Event,
    Message,
    Published,
)
from edge.clock import Clock
from edge.delivery import QUARANTINE_AFTER_S, Delivery
from edge.downlink import Downlink
from edge.errors import NodeError
from edge.spool import Spool
from edge.spool_answers import AckEffect, Slice

log = logging.getLogger(__name__)

# What a packet needs besides its payload: topic, user properties, fixed header.
PACKET_EXTRA_BYTES = 256
# What a payload needs besides its records.
HEADER_BYTES = 512
SMALLEST_PACKET_BYTES = 4096
# How long the thread sleeps when nothing happens; timeouts are checked this often.
TICK_S = 0.25
# Walk test counts that wait for a connection: what one walk test makes at most.
UNSEQUENCED_KEPT_N = 90
# A connection that lasted this long was a good one: the next attempt may come at once.
GOOD_LINK_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Waits, in seconds; tests shorten them."""

    ack_timeout_s: float = 20.0
    backoff_max_s: float = 120.0
    reconnect_s: float = 1.0
    reconnect_max_s: float = 60.0
    quarantine_after_s: float = QUARANTINE_AFTER_S


class Uplink:
    """Delivers one node's spool.

    Args:
        on_state: Told (state, detail) when the link comes up or goes down.
    """

    def __init__(
        self,
        node_id: str,
        broker: BrokerSettings,
        spool: Spool,
        clock: Clock,
        downlink: Downlink | None = None,
        *,
        timing: Timing | None = None,
        streams: Sequence[Stream] = tuple(Stream),
        on_state: Callable[[str, str], None] | None = None,
    ) -> None:
        self._node_id = node_id
        self._broker = broker
        self._spool = spool
        self._clock = clock
        self.downlink = downlink
        self._timing = timing or Timing()
        self._on_state = on_state or _log_state
        self._rng = random.Random()
        self._deliveries = {stream: self._delivery(stream) for stream in streams}
        self._packet_cap_bytes = MAX_PAYLOAD_BYTES
        self._unsequenced: deque[bytes] = deque(maxlen=UNSEQUENCED_KEPT_N)
        self._link: BrokerLink | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Say goodbye to the broker and end the thread."""
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def wake(self) -> None:
        """There is something new in the spool."""
        link = self._link
        if link is not None:
            link.events.put(None)

    def carry_nonce(self, nonce: str, expires_utc_s: float) -> None:
        """Put `nonce` into the next batch of every stream."""
        for delivery in self._deliveries.values():
            delivery.carry(nonce, expires_utc_s)
        self.wake()

    def publish_walk_test(self, counts: WalkTestCounts) -> None:
        """Publish counts of a walk test, which nobody acknowledges; called from any thread."""
        self._unsequenced.append(encode(counts))
        self.wake()

    def _delivery(self, stream: Stream) -> Delivery:
        return Delivery(
            stream,
            self._spool,
            ack_timeout_s=self._timing.ack_timeout_s,
            backoff_max_s=self._timing.backoff_max_s,
            quarantine_after_s=self._timing.quarantine_after_s,
            rng=self._rng,
        )

    def _run(self) -> None:
        wait_s = self._timing.reconnect_s
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                why = self._serve()
            except NodeError as error:
                why = str(error)
            except Exception as error:
                # The outermost frame of the thread: whatever it was, the node keeps measuring and
                # the next attempt begins from the spool.
                log.exception("uplink failed")
                why = f"{type(error).__name__}: {error}"
            if self._stopping.is_set():
                return
            self._on_state("offline", why)
            if time.monotonic() - began_s > GOOD_LINK_S:
                wait_s = self._timing.reconnect_s
            self._stopping.wait(wait_s * self._rng.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, self._timing.reconnect_max_s)

    def _serve(self) -> str:
        """Keep one connection until it ends; return why it did."""
        will = (topics.up(self._node_id, topics.STATUS), self._status("offline"))
        link = BrokerLink(self._broker, self._node_id, will)
        link.open()
        self._link = link
        try:
            self._on_state("online", f"{self._broker.host}:{self._broker.port}")
            link.subscribe(topics.down_filter(self._node_id))
            link.publish(will[0], self._status("online"))
            for delivery in self._deliveries.values():
                delivery.connection_lost()
            return self._converse(link)
        finally:
            self._link = None
            link.close()

    def _converse(self, link: BrokerLink) -> str:
        while not self._stopping.is_set():
            for event in _drain(link.events):
                if isinstance(event, Ended):
                    return self._ended(event)
                self._take(link, event)
            why = link.stalled()
            if why:
                link.abandon()
                return why
            self._send(link)
        link.publish(topics.up(self._node_id, topics.STATUS), self._status("offline"))
        return "stopped"

    def _ended(self, event: Ended) -> str:
        if event.reason == PACKET_TOO_LARGE:
            self._packet_cap_bytes = max(SMALLEST_PACKET_BYTES, self._packet_cap_bytes // 2)
            return f"broker found a packet too large, from now on {self._packet_cap_bytes} bytes"
        return event.why

    def _take(self, link: BrokerLink, event: Event | None) -> None:
        if isinstance(event, Published):
            link.answered(event)
            if not event.delivered:
                for delivery in self._deliveries.values():
                    delivery.refused(event.mid, time.monotonic())
        elif isinstance(event, Message):
            stream = topics.parse_ack(event.topic)
            if stream is not None:
                self._acknowledged(stream, event)
            elif self.downlink is not None:
                self.downlink.take(event.topic, event.payload)
            link.take(event)

    def _acknowledged(self, stream: Stream, message: Message) -> None:
        # A retained acknowledgement may be older than the server's last restore from a backup.
        if message.retained or stream not in self._deliveries:
            return
        try:
            ack = decode_ack(message.payload)
        except DecodeError as error:
            log.warning("acknowledgement of %s can't be read: %s", stream, error)
            return
        effect = self._deliveries[stream].acknowledged(ack.spool, ack.seq, time.monotonic())
        if effect is AckEffect.AHEAD:
            self._spool.set_aside(
                f"the server has {stream} up to {ack.seq}, which this file never made:"
                " it is an old copy, and its next records would be taken for repetitions"
            )

    def _send(self, link: BrokerLink) -> None:
        while self._unsequenced and link.capacity > 0:
            link.publish(topics.up(self._node_id, topics.WALKTEST), self._unsequenced.popleft())
        try:
            now_s = time.monotonic()
            for delivery in self._deliveries.values():
                delivery.check(now_s)
            # In turns, so that the backlog of one stream doesn't keep the others waiting.
            while sum(self._send_one(link, delivery) for delivery in self._deliveries.values()):
                pass
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            # A programming error is a spool that was closed while a slow disk kept us here beyond
            # `stop`: there is nothing wrong with its file.
            log.error("spool can't be read: %s", error)
            self._stopping.wait(1.0)
        except sqlite3.DatabaseError as error:
            self._spool.set_aside(str(error))

    def _send_one(self, link: BrokerLink, delivery: Delivery) -> bool:
        """Publish one batch of one stream; whether there was one and the broker may get it."""
        if link.capacity <= 0:
            return False
        limit = min(
            MAX_PAYLOAD_BYTES, self._packet_cap_bytes, link.packet_max_bytes - PACKET_EXTRA_BYTES
        )
        now_s = time.monotonic()
        batch = delivery.next_batch(now_s, limit - HEADER_BYTES)
        if batch is None:
            return False
        nonce = delivery.nonce(self._clock.utc_s())
        payload = payload_of(batch, nonce)
        if len(payload) > limit:
            self._too_large(delivery, batch, len(payload), limit)
            return False
        topic = topics.up(self._node_id, batch.stream)
        mid = link.publish(topic, payload, properties_of(batch))
        delivery.published(batch, mid, now_s, nonce)
        return True

    def _too_large(self, delivery: Delivery, batch: Slice, size: int, limit: int) -> None:
        what = f"{batch.stream} {batch.first} takes {size} bytes, {limit} may be sent"
        if limit >= MAX_PAYLOAD_BYTES:
            self._spool.quarantine(batch.stream, batch.first, what)
            return
        log.error("%s; raise the broker's max_packet_size", what)
        delivery.hold(time.monotonic() + self._timing.backoff_max_s)

    def _status(self, state: str) -> bytes:
        origin = self._spool.origin
        return encode(
            Status(
                v=1,
                state="online" if state == "online" else "offline",
                boot=origin.boot,
                rev=origin.rev,
                spool=self._spool.id,
            )
        )


def _drain(events: "queue.SimpleQueue[Event | None]") -> list[Event | None]:
    """All that has happened; waits for the first for at most one tick."""
    taken: list[Event | None] = []
    try:
        taken.append(events.get(timeout=TICK_S))
        while True:
            taken.append(events.get_nowait())
    except queue.Empty:
        return taken


def _log_state(state: str, detail: str) -> None:
    log.info("uplink %s: %s", state, detail)
