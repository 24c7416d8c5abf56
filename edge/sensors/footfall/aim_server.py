"""The placement view's page: one browser, on the local link, for ten minutes at most.

Answers carry a hop limit of 1, so no router passes them on; the code in the address works once and
becomes a cookie of that browser; nothing may be stored by it. Python's own server is enough for
one reader.
"""

import base64
import ipaddress
import json
import secrets
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from edge.errors import SettingsError
from edge.sensors.footfall.aim import AimSession
from edge.sensors.footfall.geometry import Geometry, Unit

LONGEST_S = 600.0
PAGE = Path(__file__).with_name("aim.html")
POLL_S = 0.5


def check_local(address: str) -> str:
    """An IPv4 address of the local link; raises `SettingsError` for any other."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        raise SettingsError(f"address {address!r} is no IPv4 address; e.g. 127.0.0.1") from None
    if parsed.is_unspecified or parsed.is_multicast or not parsed.is_private:
        raise SettingsError(
            f"address {address} isn't of the local link; give this node's own address on the"
            " cable or Wi-Fi that you use, e.g. 192.168.4.1"
        )
    return address


class AimServer(HTTPServer):
    """Serves the page until its time is over; raises `SettingsError` when it can't listen.

    Args:
        address: One of this machine's own addresses; 127.0.0.1 unless said otherwise.
        length_s: When it ends by itself; at most `LONGEST_S`.
    """

    def __init__(
        self,
        session: AimSession,
        geometry: Geometry,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        length_s: float = LONGEST_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = session
        self.geometry = geometry
        self.code = secrets.token_urlsafe(12)
        self.cookie = secrets.token_urlsafe(24)
        self.code_used = False
        self._now_s = now_s
        self._ends_s = now_s() + min(length_s, LONGEST_S)
        try:
            super().__init__((check_local(address), port), AimHandler)
        except OSError as error:
            raise SettingsError(
                f"can't listen on {address}:{port}: {error.strerror}; is it this node's own?"
            ) from error
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        self.timeout = POLL_S

    @property
    def host(self) -> str:
        return f"{self.server_address[0]!s}:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/{self.code}"

    @property
    def left_s(self) -> float:
        return max(0.0, self._ends_s - self._now_s())

    def serve(self) -> None:
        """Answer until the time is over."""
        while self.left_s > 0:
            self.handle_request()

    def state(self) -> dict[str, Any]:
        """What the page shows, for JSON."""
        view = self.session.view
        state = view.state.name.lower() if view else "starting"
        shown: dict[str, Any] = {"state": state, "left_s": round(self.left_s)}
        shown["ended"] = self.session.ended
        if view:
            shown |= {
                "gathered_s": view.gathered_s,
                "needed_s": view.needed_s,
                "width": view.width,
                "height": view.height,
                "grey": base64.b64encode(view.grey).decode(),
                "frame": [view.frame_width, view.frame_height],
                "lines": self._lines(view.frame_width, view.frame_height),
            }
        return shown

    def _lines(self, width: int, height: int) -> list[dict[str, Any]]:
        """Lines in shares of the frame."""
        wide, tall = (1, 1) if self.geometry.unit is Unit.SHARE else (width, height)
        return [
            {"name": line.name, "x1": line.x1 / wide, "y1": line.y1 / tall,
             "x2": line.x2 / wide, "y2": line.y2 / tall}
            for line in self.geometry.lines
        ]  # fmt: skip


class AimHandler(BaseHTTPRequestHandler):
    """GET only: the code once, then the page and its state for the browser that had it."""

    server: AimServer
    server_version, sys_version = "aim", ""
    # A browser that opens a connection and says nothing mustn't hold the others up.
    timeout = 5.0

    def do_GET(self) -> None:
        # A foreign name for this address would let another site's page read the view.
        if self.headers.get("Host") != self.server.host:
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "wrong host name")
        elif secrets.compare_digest(self.path.encode(), f"/{self.server.code}".encode()):
            self._take_code()
        elif not self._has_cookie():
            self._say(HTTPStatus.FORBIDDEN, "open the address that the console printed")
        elif self.path == "/":
            self._page()
        elif self.path == "/view":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self.server.state()))
        else:
            self._say(HTTPStatus.NOT_FOUND, "no such page")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the code stands in the address."""

    def _take_code(self) -> None:
        if self.server.code_used:
            self._say(HTTPStatus.GONE, "this address was used; start msl-node aim again")
            return
        self.server.code_used = True
        self.send_response(HTTPStatus.SEE_OTHER)
        cookie = f"aim={self.server.cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=600"
        self.send_header("Set-Cookie", cookie)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _has_cookie(self) -> bool:
        try:
            jar = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return False
        given = jar["aim"].value if "aim" in jar else ""
        return secrets.compare_digest(given.encode(), self.server.cookie.encode())

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(12)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
            " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        text = PAGE.read_text().replace("{{nonce}}", nonce)
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", text, policy)

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{text}\n")

    def _answer(
        self, status: HTTPStatus, kind: str, text: str, policy: str = "default-src 'none'"
    ) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
