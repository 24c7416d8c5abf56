"""A stream at work: a failing sensor leaves windows that say so, never zeros and never silence."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contract.flags import Flag
from contract.streams import Stream
from edge.clock import Clock, FastClock
from edge.errors import BusError
from edge.feeds.feed import Reading
from edge.feeds.light import light_feed
from edge.sensor_states import SensorStates
from edge.sensors.light.lux_sample import LuxSample
from edge.sensors.light.opt3001 import ADDRESS
from edge.sensors.light.stats import LightStats
from edge.settings import load
from edge.spool import Spool
from edge.stream_worker import StreamWorker
from edge.windows import Piece
from tests.edge.conftest import NOON_S, SetClock

LIGHT = Stream.LIGHT


@dataclass
class FlakyFeed:
    """Light of 5 lx that fails by plan: one entry an attempt, in good seconds."""

    clock: Clock
    plan: list[int]
    fault: Exception = field(default_factory=lambda: BusError(121, "OPT3001 did not answer"))
    stream = Stream.LIGHT
    splits = True
    ends = False
    simulated = True
    rev_part = None
    least_window_s = 0.0
    sens_db = None
    attempts: int = 0

    def readings(self) -> Iterator[Reading]:
        self.attempts += 1
        for _ in range(self.plan.pop(0) if self.plan else 10**6):
            start_s = self.clock.boot_s()
            self.clock.sleep(1.0)
            yield Reading(Piece(start_s, 1.0, LuxSample(5.0, False, False, 83.0, 800.0)), "ok")
        raise self.fault

    def new_stats(self) -> LightStats:
        return LightStats("opt3001")

    def stop(self) -> None: ...


@pytest.fixture
def run(open_spool: Callable[..., Spool]) -> Callable[..., tuple[list[dict[str, Any]], list[str]]]:
    def until(feed: Any, end_s: float) -> tuple[list[dict[str, Any]], list[str]]:
        """Run a feed on its fast clock; the light records, and the states that were said."""
        spool = open_spool()
        said: list[str] = []
        states = SensorStates(feed.clock, lambda _sensor, state, _detail: said.append(state))
        StreamWorker(feed, spool, states, 60, end_s=end_s).run()
        spool.flush()
        piece = spool.read(LIGHT, 0, max_records=1000, max_bytes=10**6)
        return [json.loads(blob) for blob in piece.blobs] if piece else [], said

    return until


def test_outage_is_null_and_never_zero(run: Callable[..., Any]) -> None:
    feed = FlakyFeed(FastClock(NOON_S), [60, *[0] * 9])
    records, said = run(feed, 600)
    whole, blind = records[0], records[2]
    assert (whole["valid_s"], whole["lux_p50"]) == (60, 5.0)
    assert (blind["valid_s"], blind["lux_p50"], blind["dur_s"]) == (0, None, 60)
    assert said == ["bus_error", "ok"]
    assert records[-1]["lux_p50"] == 5.0
    assert sum(r["dur_s"] for r in records) == pytest.approx(600, abs=1)
    assert all(Flag.SIMULATED in r["flags"] for r in records)


def test_source_is_opened_again_with_growing_waits(run: Callable[..., Any]) -> None:
    feed = FlakyFeed(FastClock(NOON_S), [0] * 100)
    run(feed, 600)
    # 1, 2, 4, 8, 16, 32, 60, 60, … seconds apart
    assert 12 <= feed.attempts <= 17


def test_bug_in_one_sensor_ends_neither_stream_nor_windows(run: Callable[..., Any]) -> None:
    feed = FlakyFeed(FastClock(NOON_S), [60], fault=ZeroDivisionError("division by zero"))
    records, said = run(feed, 240)
    assert said[0] == "failed"
    assert len(records) == 4


def test_emulated_opt3001_unplugged_and_plugged_in_again(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    settings = load(None, ["node_id=park-1", "light.source=emulated:opt3001"])
    feed = light_feed(settings, FastClock(NOON_S))
    assert feed is not None
    bus: Any = feed._open_bus()
    part = bus.unplug(ADDRESS)
    clock: Any = feed.clock
    plain_sleep = clock.sleep

    def sleep(seconds: float) -> None:
        plain_sleep(seconds)
        if clock.now_s > 130 and ADDRESS not in bus._parts:
            bus.plug(ADDRESS, part)

    clock.sleep = sleep
    records, said = run(feed, 300)
    assert [r["lux_p50"] for r in records[:2]] == [None, None]
    assert records[-1]["lux_p50"] > 100  # noon
    assert said == ["bus_error", "ok"]


def test_a_hung_sensor_is_silent_and_one_that_measures_is_not(
    open_spool: Callable[..., Spool], clock: SetClock
) -> None:
    released = threading.Event()

    class HungFeed(FlakyFeed):
        """One reading, then a driver that never comes back."""

        def readings(self) -> Iterator[Reading]:
            yield Reading(
                Piece(self.clock.boot_s(), 1.0, LuxSample(5.0, False, False, 83, 800)), "ok"
            )
            released.wait(30)

    states = SensorStates(clock, lambda *_: None)
    worker = StreamWorker(HungFeed(clock, []), open_spool(), states, 60)
    assert worker.silent_s == 0  # not started
    worker.start()
    time.sleep(0.5)
    assert worker.silent_s > 0.3
    worker.stop()
    released.set()
    worker.join()
    assert worker.silent_s == 0
