"""A broker that says, byte for byte, what a test wants it to say; one script a connection."""

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from server.identity.ca import CredentialFiles
from server.ingest.mqtt.packets import Kind, Packet, Publish, Stream

CONNACK = bytes([0x20, 3, 0, 0, 0])
PINGRESP = bytes([0xD0, 0])
# Nobody waits this long but a test that fails.
PATIENCE_S = 60.0


def suback(mid: int, reasons: Sequence[int]) -> bytes:
    return bytes([0x90, 3 + len(reasons), mid >> 8, mid & 255, 0, *reasons])


class Peer:
    """The broker's end of one connection."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._connection.settimeout(PATIENCE_S)
        self._stream = Stream()
        self._came: list[Packet | Publish] = []

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._connection.sendall(piece)

    def hear(self, kind: Kind) -> Packet:
        """The next packet that is no PINGREQ, which has to be of this kind."""
        while True:
            found = self.hear_any()
            assert isinstance(found, Packet)
            if found.kind == kind:
                return found
            assert found.kind == Kind.PINGREQ, f"{found} instead of {kind!r}"

    def hear_any(self) -> Packet | Publish:
        """The next packet of any kind, but what ends old subscriptions."""
        while not self._came:
            data = self._connection.recv(65_536)
            if not data:
                raise EOFError
            self._came = [each for each in self._stream.feed(data) if not _unsubscribes(each)]
        return self._came.pop(0)

    def hear_pubacks(self, n: int) -> list[int]:
        """Packet ids of the next `n` acknowledgements."""
        bodies = [self.hear(Kind.PUBACK).body for _ in range(n)]
        return [body[0] << 8 | body[1] for body in bodies]

    def hear_end(self) -> list[Packet | Publish]:
        """What is said until the other side ends the connection."""
        found: list[Packet | Publish] = []
        with contextlib.suppress(EOFError, OSError):
            while True:
                found.append(self.hear_any())
        return found

    def greet(self, reasons: Sequence[int] = (1,)) -> Packet:
        """Accept the connection and answer its subscription; return its CONNECT."""
        connect = self.hear(Kind.CONNECT)
        self.say(CONNACK)
        self.answer_subscription(reasons)
        return connect

    def answer_subscription(self, reasons: Sequence[int]) -> Packet:
        asked = self.hear(Kind.SUBSCRIBE)
        self.say(suback(asked.body[0] << 8 | asked.body[1], reasons))
        return asked


def _unsubscribes(packet: Packet | Publish) -> bool:
    return isinstance(packet, Packet) and packet.kind == Kind.UNSUBSCRIBE


Script = Callable[[Peer], None]


class ByteBroker:
    """Listens on loopback; the n-th connection is met by the n-th script. A context manager.

    What a script raises is raised by `finish`.
    """

    def __init__(self, files: CredentialFiles, *scripts: Script) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._scripts = scripts
        self._connections: list[socket.socket] = []
        self._ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, if it still waits
        self._thread.join(PATIENCE_S)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def finish(self) -> None:
        """Wait until every script has had its connection."""
        error = self._ended.get(timeout=PATIENCE_S)
        if error is not None:
            raise error

    def _run(self) -> None:
        try:
            for script in self._scripts:
                plain, _ = self._listener.accept()
                self._connections.append(plain)
                connection = self._context.wrap_socket(plain, server_side=True)
                self._connections.append(connection)
                script(Peer(connection))
                if script is not self._scripts[-1]:  # the last outlives its script
                    connection.close()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self._ended.put(error)
        else:
            self._ended.put(None)
