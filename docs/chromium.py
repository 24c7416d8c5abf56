"""Debian's chromium, driven over a pipe: open a page, wait for it, look at it, take its picture.

The DevTools protocol as it is, by the standard library alone: a driver package would bring its own
browser along, and no port is opened.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TIMEOUT_S = 30.0
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class BrowserError(Exception):
    """The browser isn't there, died, or refuses; the message quotes it."""


class Browser:
    """One page of a fresh profile, for as long as the `with` block lasts."""

    def __enter__(self) -> Self:
        program = shutil.which("chromium")
        if program is None:
            raise BrowserError("no chromium; install it with: apt-get install -y chromium")
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self._write_fd = os.pipe()
        self._read_fd, from_browser = os.pipe()
        self._received = b""
        self._count = 0
        # The browser reads commands from its descriptor 3 and answers on 4.
        shell = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$0" "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, program, *_FLAGS, f"--user-data-dir={self._profile}"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._write_fd)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read_fd)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result; raises `BrowserError` on refusal."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write_fd, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._next_message(deadline)
            if answer.get("id") != self._count:
                continue  # an event, or the late answer to an earlier command
            if "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def show(self, *, width_px: int, height_px: int, dark: bool = False) -> None:
        """Be a screen of this size; below 600 px, a phone's."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px, height=height_px, deviceScaleFactor=1, mobile=width_px < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go to `url` and wait until its document is there."""
        result = self.call("Page.navigate", url=url)
        if result.get("errorText"):
            raise BrowserError(f"{url}: {result['errorText']}")
        self.wait_for("document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        """Value of a JavaScript expression on the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression}: {result['exceptionDetails']['text']}")
        return result["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = TIMEOUT_S) -> None:
        """Until an expression is true on the page; raises `BrowserError` after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self.ask(expression):
            if time.monotonic() > deadline:
                raise BrowserError(f"{expression} is not true after {timeout_s:.0f} s")
            time.sleep(0.1)

    def picture(self, target: Path) -> None:
        """The screen as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        target.write_bytes(base64.b64decode(data))

    def _next_message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            left_s = deadline - time.monotonic()
            ready, _, _ = select.select([self._read_fd], [], [], max(left_s, 0))
            piece = os.read(self._read_fd, 1 << 20) if ready else b""
            if not piece:
                raise BrowserError(
                    f"chromium said nothing for {TIMEOUT_S:.0f} s" if not ready else "chromium died"
                )
            self._received += piece
        first, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message
