"""Nodes that publish as fast as the broker takes it, all in one process."""

import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

from benchmarks.ingest.city import City
from server.ingest.inbound import Message
from server.ingest.mqtt import packets
from server.ingest.mqtt.link import Link
from server.ingest.mqtt.packets import Kind, Packet

MAX_BYTES = 1 << 20


class Node:
    """One node's connection and what it has still to send."""

    def __init__(self, link: Link, messages: Sequence[Message]) -> None:
        self._link = link
        self._todo = deque(messages)
        self._free = deque(range(1, 1 + min(100, link.connack.receive_maximum)))
        self.open_n = len(messages)

    def turn(self) -> None:
        """Send what the window allows and take what the broker has."""
        out = bytearray()
        while self._todo and self._free:
            message = self._todo.popleft()
            out += packets.publish(
                self._free.popleft(),
                message.topic,
                message.payload,
                user_properties=message.properties,
            )
        if out:
            self._link.send(bytes(out))
        for packet in self._link.turn(0.0005):
            if isinstance(packet, Packet) and packet.kind == Kind.PUBACK:
                mid, reason = packets.read_puback(packet.body)
                if reason >= 0x80:
                    raise RuntimeError(f"broker refused a message with {reason:#x}")
                self._free.append(mid)
                self.open_n -= 1


@contextlib.contextmanager
def connected(city: City, messages: Sequence[Message]) -> Iterator[list[Node]]:
    """A node for each that has messages."""
    by_node: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        by_node[message.topic.split("/")[2]].append(message)
    links: list[Link] = []
    try:
        for node in by_node:
            links.append(connect(city, node))
        yield [Node(link, own) for link, own in zip(links, by_node.values(), strict=True)]
    finally:
        for link in links:
            link.close()


def connect(city: City, node: str) -> Link:
    """A node's connection, without a session."""
    access = city.access(node)
    return Link(
        access.host, access.port, access.tls_context(), packets.connect(node, 60, 0, 100),
        keepalive_s=60, silence_s=120, max_bytes=MAX_BYTES,
    )  # fmt: skip


def publish_all(nodes: Sequence[Node]) -> float:
    """Send everything; the seconds until the broker has acknowledged the last."""
    began_s = time.perf_counter()
    while busy := [node for node in nodes if node.open_n]:
        for node in busy:
            node.turn()
    return time.perf_counter() - began_s
