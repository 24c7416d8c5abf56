"""Sensor states: in runs, not points; said once they have settled."""

from dataclasses import dataclass, field

from edge.sensor_states import SETTLES_S, SensorStates
from tests.edge.conftest import SetClock


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
