"""A street whose faults are told, a real SMTP server and a real HTTP server to tell them to."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Mailbox

from provisioning.localstack.ports import free_port
from tests.server.lamps.conftest import api, street, worker

__all__ = ["api", "street", "worker"]


class Inbox(Mailbox):
    """Keeps what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        """One mail."""
        self.mails.append(message)

    def texts(self) -> list[str]:
        """Subject and body of each."""
        found = []
        for mail in self.mails:
            parts = mail.walk() if mail.is_multipart() else [mail]
            body = [
                part.get_payload(decode=True)
                for part in parts
                if part.get_content_type() == "text/plain"
            ]
            text = b"".join(piece for piece in body if isinstance(piece, bytes)).decode()
            found.append(f"{mail['Subject']}\n{text}")
        return found


@dataclass
class Hook:
    """Answers POSTs with `status` and keeps them."""

    url: str = ""
    status: int = 201
    posts: list[tuple[dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[tuple[Inbox, Path]]:
    """Mails that came, and the file with the address."""
    inbox = Inbox()
    port = free_port()  # the controller can't find a port that the kernel chose
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    file = tmp_path / "mail_url"
    file.write_text(
        f"mailto://127.0.0.1:{port}/?from=lab@example.org&to=duty@example.org&mode=insecure\n"
    )
    yield inbox, file
    controller.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web hook."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append((dict(self.headers), json.loads(body)))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://user:secret@127.0.0.1:{server.server_port}/log-reports"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
