"""Switch, infrared sensor, button and light as the agent uses them, on gpiozero's mock pins."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from gpiozero.pins.mock import MockFactory

from contract.events import Tamper
from edge.node_pins import NodePins, led_signal
from edge.sensor_states import OK, SensorStates
from edge.settings import load
from tests.edge.conftest import SetClock

ALL = ["gpio.tamper=5", "gpio.pir=6", "gpio.button=13", "gpio.led=19"]


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    factory = MockFactory()
    yield factory
    factory.reset()


@pytest.fixture
def states(clock: SetClock) -> SensorStates:
    return SensorStates(clock, lambda *_: None)


class Bench:
    """Pins of a node, and what they said."""

    def __init__(
        self, factory: MockFactory | None, clock: SetClock, states: SensorStates, rows: list[str]
    ) -> None:
        self.said: list[Tamper] = []
        self.pins = NodePins(load(None, ["node_id=park-1", *rows]), clock, factory)
        self.pins.open(states, self.said.append, lambda: None)


def test_an_opened_enclosure_is_an_event_at_start_and_at_each_change(
    factory: MockFactory, clock: SetClock, states: SensorStates
) -> None:
    bench = Bench(factory, clock, states, ALL)
    switch = factory.pin(5)
    switch.drive_low()
    switch.drive_high()
    bench.pins.close()
    assert [event.open for event in bench.said] == [True, False, True]


def test_the_infrared_sensor_gives_a_share_and_nothing_finer(
    factory: MockFactory, clock: SetClock, states: SensorStates
) -> None:
    bench = Bench(factory, clock, states, ALL)
    factory.pin(6).drive_high()
    clock.sleep(15)
    factory.pin(6).drive_low()
    clock.sleep(45)
    assert bench.pins.pir_share() == 0.25
    clock.sleep(60)
    assert bench.pins.pir_share() == 0.0
    bench.pins.close()
    assert bench.pins.pir_share() is None


@pytest.mark.parametrize(
    ("seen", "walk_test", "signal"),
    [
        ({"light": OK, "footfall": OK}, False, "ok"),
        ({"light": OK, "footfall": "too_dark"}, False, "ok"),
        ({"light": OK, "footfall": "covered"}, False, "fault"),
        ({"light": "bus_error"}, True, "commissioning"),
        ({}, False, "starting"),
    ],
    ids=["well", "dark", "covered", "walk test", "starting"],
)
def test_the_light_says_how_the_node_is(
    states: SensorStates, seen: dict[str, str], walk_test: bool, signal: str
) -> None:
    states.watch("light")
    for sensor, state in seen.items():
        states.set(sensor, state)
    assert led_signal(states, walk_test=walk_test) == signal


def test_parts_that_are_there_are_sensor_states(
    factory: MockFactory, clock: SetClock, states: SensorStates
) -> None:
    bench = Bench(factory, clock, states, ["gpio.tamper=5", "gpio.led=5"])
    bench.pins.close()
    assert states.state_of("tamper") == (OK, None)
    state, detail = states.state_of("led")
    assert state == "no_gpio"
    assert "no led on GPIO5" in (detail or "")
    assert states.state_of("pir")[0] == "absent"


def test_without_pins_gpiozero_is_never_imported() -> None:
    code = """
import sys
from edge.node_pins import NodePins
from edge.settings import load
pins = NodePins(load(None, ["node_id=park-1"]), None)
pins.open(None, None, None)
print(pins.pir_share(), "gpiozero" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["None", "False"], done.stderr
