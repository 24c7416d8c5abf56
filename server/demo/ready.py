"""Whether the demo lives: a record of every node, made after the start, has come back out.

Asked of the API, as any reader would; so the whole way is proven, from the sensor to the answer.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contract.streams import Stream
from server.errors import MslError

# Footfall comes too, but its window is five minutes at least: shorter ones would follow people.
AWAITED = (Stream.LIGHT, Stream.NOISE, Stream.HEALTH)
_POLL_S = 0.5
_REQUEST_TIMEOUT_S = 10


class NotReady(MslError):
    """The wait is over and something is still missing; the message lists it."""


@dataclass(frozen=True)
class Arrival:
    """A node's stream of which a new record has come back."""

    node: str
    stream: str


def wait_until_ready(
    url: str,
    nodes: list[str],
    *,
    since: datetime,
    within_s: float,
    check: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    """Return when each of `nodes` has a record of every awaited stream stored after `since`.

    Args:
        check: Called between polls; raises when a process has died.
        say: Gets each node once, when it is complete.

    Raises:
        NotReady: After `within_s`, naming what is missing.
    """
    awaited = {Arrival(node, stream) for node in nodes for stream in AWAITED}
    announced: set[str] = set()
    deadline = time.monotonic() + within_s
    missing = awaited
    while True:
        check()
        missing = awaited - _arrivals(url, since)
        for node in nodes:
            if node not in announced and all(arrival.node != node for arrival in missing):
                announced.add(node)
                say(f"{node} is live ({len(announced)} of {len(nodes)})")
        if not missing:
            return
        if time.monotonic() > deadline:
            raise NotReady(_still_missing(missing, within_s))
        time.sleep(_POLL_S)


def _arrivals(url: str, since: datetime) -> set[Arrival]:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/nodes", timeout=_REQUEST_TIMEOUT_S) as answer:  # noqa: S310  # our own loopback address
            nodes: list[dict[str, Any]] = json.load(answer)["nodes"]
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return set()  # not serving yet; `check` tells when it never will
    return {
        Arrival(node["node"], stream["stream"])
        for node in nodes
        for stream in node["streams"]
        if stream["last_t"] is not None and _parse(stream["last_new_at"]) >= since
    }


def _parse(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _still_missing(missing: set[Arrival], within_s: float) -> str:
    listed = sorted(f"{arrival.node} {arrival.stream}" for arrival in missing)
    return (
        f"not ready after {within_s:.0f} s; no record came back of: {', '.join(listed)};"
        " see the logs of ingest and simulate"
    )
