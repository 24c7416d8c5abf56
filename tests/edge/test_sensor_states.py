"""Sensor states: in runs, not points; said once they have settled."""

from dataclasses import dataclass, field

import pytest

from contract.batch import encode_record
from contract.events import EventRecord, SensorFault
from contract.records import HealthRecord
from contract.streams import Stream
from edge.sensor_states import SETTLES_S, SensorStates
from tests.edge.conftest import NOON_S, SetClock


@dataclass
class Said:
    changes: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, sensor: str, state: str, detail: str | None) -> None:
        self.changes.append((sensor, state))


def states_of(clock: SetClock) -> tuple[SensorStates, Said]:
    said = Said()
    return SensorStates(clock, said), said


def test_first_ok_is_no_news(clock: SetClock) -> None:
    states, said = states_of(clock)
    states.watch("light")
    assert states.state_of("light")[0] == "starting"
    states.seen("light", "ok")
    assert states.state_of("light")[0] == "ok"
    assert said.changes == []


def test_state_must_last_before_it_is_said(clock: SetClock) -> None:
    states, said = states_of(clock)
    states.seen("footfall", "ok")
    for state in ("covered", "covered", "ok", "covered"):
        states.seen("footfall", state)
        clock.sleep(SETTLES_S / 2)
    assert said.changes == []
    states.seen("footfall", "covered")
    clock.sleep(SETTLES_S)
    states.seen("footfall", "covered")
    assert said.changes == [("footfall", "covered")]


def test_error_is_said_at_once_and_once(clock: SetClock) -> None:
    states, said = states_of(clock)
    states.seen("light", "ok")
    for _ in range(3):
        states.set("light", "bus_error", "OPT3001 did not answer")
    assert said.changes == [("light", "bus_error")]
    assert states.state_of("light") == ("bus_error", "OPT3001 did not answer")
    clock.sleep(1)
    states.seen("light", "ok")
    clock.sleep(SETTLES_S)
    states.seen("light", "ok")
    assert said.changes == [("light", "bus_error"), ("light", "ok")]


def test_snapshot_says_since_when(clock: SetClock) -> None:
    states, _ = states_of(clock)
    states.set("noise", "ok")
    clock.sleep(5)
    states.set("noise", "no_source", "x" * 1000)
    (noise,) = states.snapshot()
    assert noise.since == int(clock.utc_s() * 1000)
    assert len(noise.detail or "") == 400


@pytest.mark.parametrize(
    "words",
    ["x" * 1000, "arecord: \x1b[1mbusy\x1b[0m\r\n", "no file \udcff.wav", "\0" * 400],
    ids=["long", "coloured", "not utf-8", "escaped too long"],
)
def test_whatever_a_source_complains_of_can_be_sent(clock: SetClock, words: str) -> None:
    faults: list[SensorFault] = []

    def fault(sensor: str, state: str, detail: str | None) -> None:
        faults.append(SensorFault(sensor=sensor, state=state, detail=detail))

    states = SensorStates(clock, fault)
    states.set("noise", "no_source", words)
    states.set("noise", "no_source", f"again: {words}")
    t = int(NOON_S * 1000)
    event = EventRecord(seq=1, t=t, dur_s=0, valid_s=0, body=faults[0])
    health = HealthRecord(seq=1, t=t, dur_s=60, valid_s=60, uptime_s=1, sensors=states.snapshot())
    encode_record(Stream.EVENT, event)
    encode_record(Stream.HEALTH, health)
