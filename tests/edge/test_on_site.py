"""Button, walk test and watchdog of a running node, on mock pins and without a broker."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from contract.streams import Stream
from edge.broker_link import BrokerSettings
from edge.feeds.footfall import FootfallFeed, footfall_feed
from edge.on_site import STUCK_S, OnSite
from edge.sensor_states import SensorStates
from edge.settings import load
from edge.spool import Spool
from edge.stream_worker import StreamWorker
from edge.uplink import Uplink
from tests.edge.conftest import SetClock

ROWS = ["node_id=park-1", "footfall.source=scene:seed=1", "gpio.button=13", "gpio.tamper=5"]


class Manager:
    """Hears what systemd would hear."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def ready(self) -> None:
        self.heard.append("ready")

    def alive(self) -> None:
        self.heard.append("alive")

    def stopping(self) -> None:
        self.heard.append("stopping")


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    before, Device.pin_factory = Device.pin_factory, MockFactory()
    yield Device.pin_factory
    Device.pin_factory.reset()
    Device.pin_factory = before


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    manager = Manager()
    monkeypatch.setattr("edge.on_site.ServiceManager", lambda: manager)
    return manager


@pytest.fixture
def node(
    factory: MockFactory,
    manager: Manager,
    clock: SetClock,
    open_spool: Callable[..., Spool],
    tmp_path: Path,
) -> Iterator[tuple[OnSite, Spool, SensorStates, StreamWorker]]:
    settings, spool = load(None, ROWS), open_spool()
    states = SensorStates(clock, lambda *_: None)
    feed = footfall_feed(settings, clock)
    assert feed is not None
    worker = StreamWorker(feed, spool, states, 900)
    uplink = Uplink("park-1", BrokerSettings(host="127.0.0.1", port=1), spool, clock)
    on_site = OnSite(settings, clock, tmp_path, spool, uplink, {Stream.FOOTFALL: worker})
    on_site.open(states)
    yield on_site, spool, states, worker
    on_site.close()


def bodies(spool: Spool, kind: str) -> list[dict[str, Any]]:
    spool.flush()
    connection = sqlite3.connect(spool.path)
    rows = connection.execute("SELECT body FROM record WHERE stream = 'event'").fetchall()
    connection.close()
    found = [json.loads(body)["body"] for (body,) in rows]
    return [body for body in found if body["kind"] == kind]


def test_the_held_button_begins_and_ends_a_walk_test(
    node: tuple[OnSite, Spool, SensorStates, StreamWorker],
) -> None:
    on_site, spool, states, worker = node
    assert isinstance(worker.feed, FootfallFeed)
    assert worker.feed.walk_test is not None
    on_site._button_held()
    assert worker.feed.walk_test.active
    on_site._button_held()
    on_site.turn(states)
    assert [(b["started"], b["by"]) for b in bodies(spool, "walk_test")] == [
        (True, "button"),
        (False, "button"),
    ]


def test_a_walk_test_that_runs_at_the_end_says_that_it_ended(
    node: tuple[OnSite, Spool, SensorStates, StreamWorker], manager: Manager
) -> None:
    on_site, spool, _, _ = node
    assert on_site.walk(False) is None
    on_site.end()
    assert [body["started"] for body in bodies(spool, "walk_test")] == [True, False]
    assert manager.heard == ["ready", "stopping"]


def test_an_opened_enclosure_is_spooled(
    node: tuple[OnSite, Spool, SensorStates, StreamWorker], factory: MockFactory
) -> None:
    _, spool, states, _ = node
    factory.pin(5).drive_low()
    factory.pin(5).drive_high()
    # The mock's pull-up reads as open at first, as a cut wire does.
    assert [body["open"] for body in bodies(spool, "tamper")] == [True, False, True]
    assert states.state_of("tamper")[0] == "ok"


def test_a_hung_stream_starves_the_watchdog(
    node: tuple[OnSite, Spool, SensorStates, StreamWorker],
    manager: Manager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    on_site, _, states, _ = node
    on_site.turn(states)
    monkeypatch.setattr(StreamWorker, "silent_s", STUCK_S + 1)
    on_site.turn(states)
    assert manager.heard == ["ready", "alive"]
    assert "footfall" in caplog.text
