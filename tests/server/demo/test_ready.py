"""Ready means that the API gives back a new record of every node; nothing less."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from server.demo.ready import NotReady, wait_until_ready

START = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)
AFTER = (START + timedelta(seconds=20)).isoformat().replace("+00:00", "Z")
BEFORE = (START - timedelta(days=1)).isoformat().replace("+00:00", "Z")


class Answer:
    """What the stand-in for the API says next."""

    def __init__(self) -> None:
        self.nodes: list[object] = []
        self.url = ""


@pytest.fixture
def api() -> Iterator[Answer]:
    answer = Answer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"nodes": answer.nodes}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    answer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


def node(name: str, **stored_at: str | None) -> dict[str, object]:
    return {
        "node": name,
        "streams": [
            {"stream": stream, "last_new_at": at, "last_t": at} for stream, at in stored_at.items()
        ],
    }


def wait(api: Answer, nodes: list[str], said: list[str]) -> None:
    wait_until_ready(api.url, nodes, since=START, within_s=0.0, check=lambda: None, say=said.append)


def test_ready_when_every_awaited_stream_is_new(api: Answer) -> None:
    api.nodes = [node("lamp-01", light=AFTER, noise=AFTER, health=AFTER, footfall=None)]
    said: list[str] = []
    wait(api, ["lamp-01"], said)
    assert said == ["lamp-01 is live (1 of 1)"]


def test_records_from_before_the_start_are_not_enough(api: Answer) -> None:
    api.nodes = [node("lamp-01", light=AFTER, noise=BEFORE, health=AFTER)]
    with pytest.raises(NotReady, match="no record came back of: lamp-01 noise;"):
        wait(api, ["lamp-01"], [])


def test_what_is_missing_is_named(api: Answer) -> None:
    api.nodes = [node("lamp-01", light=AFTER, noise=AFTER, health=AFTER), node("lamp-02")]
    with pytest.raises(NotReady, match="lamp-02 health, lamp-02 light, lamp-02 noise"):
        wait(api, ["lamp-01", "lamp-02"], [])


def test_nobody_listening_yet_is_waited_for_and_named(api: Answer) -> None:
    with pytest.raises(NotReady, match="lamp-01 light"):
        wait_until_ready(
            "http://127.0.0.1:9", ["lamp-01"], since=START, within_s=0.0,
            check=lambda: None, say=lambda _: None,
        )  # fmt: skip
