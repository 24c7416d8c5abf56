"""Our answers to nodes on their way to the broker: as many at once as it takes, then the next."""

import logging
from collections import deque
from typing import NamedTuple

from server.ingest.mqtt import packets
from server.ingest.mqtt.link import Link
from server.ingest.mqtt.packets import Malformed

log = logging.getLogger(__name__)

# Reason codes from here on are refusals (MQTT 5, 2.4).
FAILURE = 0x80
# Packet ids below are for subscriptions.
FIRST_ANSWER_MID = 3


class Answer(NamedTuple):
    """A message of ours to a node."""

    topic: str
    payload: bytes
    expires_s: int


class Answering:
    """Our own messages to nodes: as many on their way as the broker takes, then the next.

    Args:
        window: How many the broker takes before it has acknowledged one.
    """

    def __init__(self, link: Link, window: int) -> None:
        self._link = link
        self._free = deque(range(FIRST_ANSWER_MID, FIRST_ANSWER_MID + window))
        self._under_way: set[int] = set()

    def fill(self, answers: deque[Answer]) -> None:
        """Send what fits into the window."""
        out = bytearray()
        while answers and self._free:
            answer, mid = answers.popleft(), self._free.popleft()
            self._under_way.add(mid)
            out += packets.publish(mid, answer.topic, answer.payload, expiry_s=answer.expires_s)
        if out:
            self._link.send(bytes(out))

    def settled(self, body: bytes) -> None:
        """The broker has one of them; raises `Malformed` for one that it can't have."""
        mid, reason = packets.read_puback(body)
        if mid not in self._under_way:
            raise Malformed(f"an acknowledgement of packet {mid}, which was not sent")
        self._under_way.remove(mid)
        self._free.append(mid)
        # 0x10, nobody subscribed, is a node that went offline: it asks again when it is back.
        if reason >= FAILURE:
            log.error("broker refused an answer to a node: %s", packets.reason_text(reason))
