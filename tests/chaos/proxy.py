"""A bad network: a TCP proxy on loopback that cuts, stalls, halves and reorders connections."""

import contextlib
import random
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

CHUNK = 16_384
POLL_S = 0.05


class Connection:
    """One client's way through, and what is wrong with it."""

    def __init__(self, client: socket.socket, server: socket.socket, proxy: "Proxy") -> None:
        self._client, self._server, self._proxy = client, server, proxy
        self.alive = True
        self.halving = False
        threading.Thread(target=self._pump, daemon=True).start()

    def cut(self) -> None:
        """End both sides at once."""
        self.alive = False

    def desert(self) -> None:
        """End the client's side alone: the server goes on believing that it is there."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def _pump(self) -> None:
        pairs = {self._client: self._server, self._server: self._client}
        try:
            while self.alive:
                ready, _, _ = select.select(list(pairs), [], [], POLL_S)
                for source in ready:
                    # Stalled after it was read: neither side notices, and nothing arrives.
                    data = source.recv(CHUNK)
                    self._proxy.hold()
                    if not data:
                        if source is self._client and self._proxy.deserted_s > 0:
                            self._linger()
                        return
                    if self.halving:
                        pairs[source].sendall(data[: len(data) // 2])
                        return
                    pairs[source].sendall(data)
        except OSError:
            return
        finally:
            self.alive = False
            for end in (self._client, self._server):
                end.close()

    def _linger(self) -> None:
        """The client is gone; what it sent last arrives, and the server learns of it much later."""
        time.sleep(self._proxy.deserted_s)


class Proxy:
    """Listens on a port of its own and passes everything on to `target_port` of loopback.

    Attributes:
        deserted_s: How long the server's side outlives a client's that ended.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.deserted_s = 0.0
        self._open = threading.Event()
        self._open.set()
        self._connections: list[Connection] = []
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._open.set()
        self._listener.close()
        self.cut()

    def hold(self) -> None:
        """Wait while the network is stalled."""
        self._open.wait()

    def cut(self) -> None:
        """End every connection."""
        for connection in self._living():
            connection.cut()

    def stall(self, seconds: float) -> None:
        """Pass nothing on for a while, in either direction; connections stay."""
        self._open.clear()
        time.sleep(seconds)
        self._open.set()

    def halve(self) -> None:
        """Of whatever comes next on each connection half arrives, and then the end."""
        for connection in self._living():
            connection.halving = True

    def reorder(self) -> None:
        """The client comes back while the server still has it: the new before the old's end."""
        self.deserted_s = 0.7
        for connection in self._living():
            connection.desert()
        time.sleep(0.3)
        self.deserted_s = 0.0

    def _living(self) -> list[Connection]:
        self._connections = [each for each in self._connections if each.alive]
        return list(self._connections)

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            self._connections.append(Connection(client, server, self))


def bad_weather(
    proxy: Proxy, seed: int, going_on: Callable[[], bool], faults_n: int = 12
) -> list[str]:
    """One fault after the other, drawn from the seed, until they are used up or it is over."""
    rng = random.Random(seed)
    done: list[str] = []
    for _ in range(faults_n):
        if not going_on():
            break
        fault = rng.choice(("cut", "stall", "halve", "reorder"))
        done.append(fault)
        if fault == "stall":
            proxy.stall(rng.uniform(0.3, 1.5))
        else:
            getattr(proxy, fault)()
        time.sleep(rng.uniform(0.3, 1.2))
    return done
