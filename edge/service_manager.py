"""What systemd is told: that the node is ready, and that it still senses (sd_notify(3)).

A datagram to the socket that systemd names; without one, as on a bench, nothing is sent.
"""

import os
import socket


class ServiceManager:
    """The other end of `NOTIFY_SOCKET`.

    Args:
        address: A path, or `@name` for the abstract namespace; None: from the environment.
    """

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        """The node measures."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog; systemd restarts a unit that stops doing so."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """It ends because it was told to."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto(state.encode(), self._address)
        except OSError:
            return  # no manager hears: to measure is worth more than to say so
