"""One connection to a broker: TLS, CONNECT, packets both ways, until it ends.

Used by one thread, which calls `turn` again and again; only `send` and `wake` are for others.
"""

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator

from server.ingest.mqtt import packets
from server.ingest.mqtt.packets import Connack, Kind, Malformed, Packet, Publish

CONNECT_TIMEOUT_S = 15.0
READ_BYTES = 65_536
# What one turn reads at most, so that what is to be sent doesn't wait behind a flood.
TURN_BYTES = 1 << 20


class LinkEnded(OSError):
    """The connection is over; the message says how."""


class Silent(LinkEnded):
    """The broker says nothing at all, not even to a ping."""


class Refused(LinkEnded):
    """The broker answered CONNECT with a refusal."""


class Link:
    """A connection that the broker has accepted.

    Args:
        context: TLS with our certificate.
        silence_s: Nothing at all for this long ends the connection.

    Raises:
        OSError: The broker can't be reached, or TLS fails (`ssl.SSLError` is one).
        Refused: It is reached and doesn't want us.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        connect: bytes,
        *,
        keepalive_s: float,
        silence_s: float,
        max_bytes: int,
    ) -> None:
        self._outgoing = bytearray()
        self._lock = threading.Lock()
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._awake = self._closed = False
        self._stream = packets.Stream(max_bytes)
        self._early: list[Packet | Publish] = []
        self._silence_s = silence_s
        try:
            self._socket = _open(host, port, context)
            self.connack = self._shake_hands(connect)
        except BaseException:
            self._close_pipe()
            raise
        self._ping_every_s = min(self.connack.keepalive_s or keepalive_s, silence_s) / 2
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._wake_in, select.POLLIN)
        self._read_s = self._written_s = self._pinged_s = time.monotonic()

    def send(self, data: bytes) -> None:
        """Queue bytes; any thread."""
        with self._lock:
            self._outgoing += data
        self.wake()

    def wake(self) -> None:
        """Let a `turn` that waits return; any thread, also when it is all over."""
        with self._lock:
            # Closed, the number may be somebody else's file by now.
            if not self._awake and not self._closed:
                self._awake = True
                with contextlib.suppress(BlockingIOError):
                    os.write(self._wake_out, b"x")

    def unsent_bytes(self) -> int:
        """What is queued."""
        return len(self._outgoing)

    def turn(self, timeout_s: float) -> list[Packet | Publish]:
        """Wait for something, send what is queued, and return what came.

        Raises:
            LinkEnded: The broker, the network, or our own patience ended it.
            Malformed: What came is not MQTT.
        """
        early, self._early = self._early, []
        if early:
            return early
        self._wait(timeout_s)
        self._write()
        came = list(self._read())
        self._keep_alive()
        return came

    def cut(self) -> None:
        """End the connection under whoever is in `turn`; any thread."""
        # Not the TLS socket's own shutdown: that one would unwrap it under the reader.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection at once; what is queued is lost."""
        self.cut()
        self._socket.close()
        self._close_pipe()

    def _shake_hands(self, connect: bytes) -> Connack:
        try:
            self._socket.sendall(connect)
            while True:
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise LinkEnded("the broker closed the connection instead of answering CONNECT")
                came = self._stream.feed(data)
                if came:
                    return self._accepted(came)
        except BaseException:
            self._socket.close()
            raise

    def _accepted(self, came: list[Packet | Publish]) -> Connack:
        first, self._early = came[0], came[1:]
        if not isinstance(first, Packet) or first.kind != Kind.CONNACK:
            raise Malformed("something else than CONNACK came first")
        connack = packets.read_connack(first.body)
        if connack.reason >= 0x80:
            said = f": {connack.said}" if connack.said else ""
            raise Refused(f"broker refused the connection with reason {connack.reason:#x}{said}")
        return connack

    def _wait(self, timeout_s: float) -> None:
        if self._socket.pending():
            return
        events = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
        self._poll.register(self._socket, events)
        ready = self._poll.poll(max(0.0, min(timeout_s, self._ping_every_s / 2)) * 1000)
        if any(fd == self._wake_in for fd, _ in ready):
            with self._lock:
                self._awake = False
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_in, 64)

    def _write(self) -> None:
        while self._outgoing:
            with self._lock:
                piece = bytes(self._outgoing[:READ_BYTES])
            try:
                sent_n = self._socket.send(piece)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            except OSError as error:
                raise LinkEnded(f"connection to the broker broke: {error}") from error
            with self._lock:
                del self._outgoing[:sent_n]
            self._written_s = time.monotonic()

    def _read(self) -> Iterator[Packet | Publish]:
        read_n = 0
        while read_n < TURN_BYTES:
            try:
                data = self._socket.recv(READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            except OSError as error:
                raise LinkEnded(f"connection to the broker broke: {error}") from error
            if not data:
                raise LinkEnded("the broker closed the connection")
            read_n += len(data)
            self._read_s = time.monotonic()
            yield from self._stream.feed(data)

    def _keep_alive(self) -> None:
        now_s = time.monotonic()
        silent_s = now_s - self._read_s
        if silent_s > self._silence_s:
            raise Silent(f"nothing from the broker for {silent_s:.0f} s")
        quiet = now_s - self._written_s > self._ping_every_s or silent_s > self._ping_every_s
        if quiet and now_s - self._pinged_s > self._ping_every_s:
            self._pinged_s = now_s
            self.send(packets.PINGREQ)

    def _close_pipe(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._wake_in)
                os.close(self._wake_out)


def _open(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
