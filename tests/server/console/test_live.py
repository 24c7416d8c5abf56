"""`/live`: what changed and nothing else, at once, over restarts of the database."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from contract.streams import Stream
from provisioning.localstack import Postgres
from tests.server.api.pilot import Pilot, minute

pytestmark = pytest.mark.db


def events(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """(event, id, data) of a stream of server-sent events."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}
        else:
            fields = {}


def token_of(client: httpx.Client) -> str:
    html = client.get("/").text
    return html.split('data-token="')[1].split('"')[0]


def listening(client: httpx.Client) -> None:
    """Wait until the server hears notifications."""
    deadline = time.monotonic() + 15
    while not client.get("/healthz").json()["live"]:
        assert time.monotonic() < deadline, "not listening within 15 s"
        time.sleep(0.1)


def first(
    stream: Iterator[tuple[str, str, Any]], event: str, *, with_piece: str | None = None
) -> tuple[str, Any]:
    """Id and data of the next `event`, or of the next that holds a piece."""
    for name, token, data in stream:
        if name == event and (with_piece is None or with_piece in data["pieces"]):
            return token, data
    raise AssertionError(f"the stream ended before {event}")


def test_a_new_record_reaches_an_open_page_within_seconds(
    client: httpx.Client, pilot: Pilot
) -> None:
    for node in ("lamp-01", "lamp-02"):
        pilot.node(node)
        pilot.record(node, Stream.LIGHT, minute(datetime.now(UTC)), lux_p50=11)
    listening(client)
    with client.stream("GET", "/live", params={"token": token_of(client)}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = events(answer)
        first(stream, "pieces")
        began = time.monotonic()
        pilot.record("lamp-01", Stream.NOISE, minute(datetime.now(UTC)), laeq=87.6)
        pilot.notify(Stream.NOISE)
        token, data = first(stream, "pieces", with_piece="node-lamp-01")
        assert time.monotonic() - began < 6
    assert "87.6" in data["pieces"]["node-lamp-01"]
    assert "node-lamp-02" not in data["pieces"]
    # Who returns with the token of that event has missed nothing and gets nothing again.
    again = client.get("/live/changes", params={"token": token}).json()
    assert (again["reload"], again["pieces"].get("node-lamp-01")) == (False, None)


def test_a_new_node_asks_for_the_whole_page(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    token = token_of(client)
    pilot.node("lamp-02")
    time.sleep(1.1)
    assert client.get("/live/changes", params={"token": token}).json()["reload"] is True


@pytest.mark.parametrize(
    "token", ["", "nonsense", "-", "ffffffff-1", "deadbeef-99999999999999", "a-٣", "%00"]
)
def test_a_token_that_is_none_gets_the_whole_page(lasting_client: httpx.Client, token: str) -> None:
    answer = lasting_client.get("/live/changes", params={"token": token})
    assert (answer.status_code, answer.json()["reload"]) == (200, True)


def test_a_database_restart_is_said_and_survived(
    client: httpx.Client, pilot: Pilot, postgres: Postgres
) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC)))
    listening(client)
    timer = threading.Timer(14, postgres.start)
    with client.stream("GET", "/live", params={"token": token_of(client)}, timeout=60) as answer:
        stream = events(answer)
        first(stream, "pieces")
        postgres.kill()
        timer.start()
        _, data = first(stream, "down")
        assert datetime.fromisoformat(data["since"]).tzinfo is not None
        assert data["why"] == "the database gives no answer"
        first(stream, "pieces")
    timer.join()
    listening(client)


def test_open_pages_do_not_keep_the_server_from_stopping(
    client: httpx.Client, pilot: Pilot
) -> None:
    # The fixture's end asserts that the server stops; here a page stays open meanwhile.
    pilot.node("lamp-01")
    answer = client.send(client.build_request("GET", "/live"), stream=True)
    assert next(answer.iter_lines()).startswith("retry")
