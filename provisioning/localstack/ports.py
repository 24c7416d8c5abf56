"""Free ports on the loopback interface."""

import socket

from provisioning.localstack.errors import PortTaken

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, *, for_what: str) -> None:
    """Raise `PortTaken` when something listens on `port`."""
    with socket.socket() as probe:
        # As the servers do: connections that are still fading out don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} for {for_what} can't be used on {LOOPBACK}: {error.strerror};"
                " name another port, or none to have a free one chosen"
            ) from error


def accepts(port: int) -> bool:
    """Whether something accepts connections on `port`."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
