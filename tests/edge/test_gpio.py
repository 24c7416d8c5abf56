"""The pins, on gpiozero's mock factory."""

import time
from collections.abc import Iterator

import pytest
from gpiozero.pins.mock import MockFactory

from edge.clock import FastClock
from edge.sensors.gpio import GpioPins, NodeGpio, ServiceButton, StatusLed

PINS = GpioPins(tamper_gpio=5, pir_gpio=6, button_gpio=13, led_gpio=19)


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    factory = MockFactory()
    yield factory
    factory.reset()


@pytest.fixture
def clock() -> FastClock:
    return FastClock(start_utc_s=0.0)


@pytest.fixture
def gpio(factory: MockFactory, clock: FastClock) -> Iterator[NodeGpio]:
    gpio = NodeGpio(PINS, clock, factory)
    gpio.open()
    yield gpio
    gpio.close()


def test_closed_door_holds_the_switch_and_an_open_one_is_reported(
    gpio: NodeGpio, factory: MockFactory
) -> None:
    assert gpio.tamper is not None
    seen: list[bool] = []
    gpio.tamper.on_change(seen.append)
    pin = factory.pin(5)
    pin.drive_low()
    assert not gpio.tamper.is_open()
    pin.drive_high()
    assert gpio.tamper.is_open()
    assert seen == [False, True]


def test_cut_wire_reads_as_open(gpio: NodeGpio) -> None:
    # Nothing drives the pin: its pull-up does.
    assert gpio.tamper is not None
    assert gpio.tamper.is_open()


def test_movement_leaves_as_a_share_of_the_time(
    gpio: NodeGpio, factory: MockFactory, clock: FastClock
) -> None:
    assert gpio.pir is not None
    pin = factory.pin(6)
    for begin_s, length_s in ((10, 6), (30, 9)):
        clock.now_s = begin_s
        pin.drive_high()
        clock.now_s = begin_s + length_s
        pin.drive_low()
    clock.now_s = 60
    assert gpio.pir.take_share() == pytest.approx(15 / 60)


def test_movement_across_the_window_is_split_between_both(
    gpio: NodeGpio, factory: MockFactory, clock: FastClock
) -> None:
    assert gpio.pir is not None
    clock.now_s = 50
    factory.pin(6).drive_high()
    clock.now_s = 60
    assert gpio.pir.take_share() == pytest.approx(10 / 60)
    clock.now_s = 90
    factory.pin(6).drive_low()
    clock.now_s = 120
    assert gpio.pir.take_share() == pytest.approx(30 / 60)


def test_no_time_passed_is_no_share(gpio: NodeGpio) -> None:
    assert gpio.pir is not None
    assert gpio.pir.take_share() is None


def test_button_held_calls_once_and_a_tap_does_not(factory: MockFactory) -> None:
    button = ServiceButton(13, factory, hold_s=0.1)
    held: list[str] = []
    button.on_held(lambda: held.append("held"))
    pin = factory.pin(13)
    pin.drive_low()
    pin.drive_high()
    time.sleep(0.2)
    assert held == []
    pin.drive_low()
    time.sleep(0.3)
    pin.drive_high()
    button.close()
    assert held == ["held"]


def test_led_burns_in_commissioning_and_is_dark_when_off(
    gpio: NodeGpio, factory: MockFactory
) -> None:
    assert gpio.led is not None
    pin = factory.pin(19)
    gpio.led.show("commissioning")
    assert pin.state
    gpio.led.show("off")
    assert not pin.state


def test_led_blinks_at_a_fault(factory: MockFactory) -> None:
    led, pin = StatusLed(19, factory), factory.pin(19)
    led.show("fault")
    states = set()
    for _ in range(40):
        states.add(bool(pin.state))
        time.sleep(0.02)
    led.close()
    assert states == {True, False}


def test_node_without_parts_touches_no_pin(clock: FastClock) -> None:
    gpio = NodeGpio(GpioPins(), clock)
    gpio.open()
    assert (gpio.tamper, gpio.pir, gpio.button, gpio.led) == (None, None, None, None)
    assert gpio.faults == {}


def test_pins_are_untouched_before_open(factory: MockFactory, clock: FastClock) -> None:
    NodeGpio(PINS, clock, factory)
    assert factory.pins == {}


def test_part_that_cant_be_had_is_none_with_the_reason(
    factory: MockFactory, clock: FastClock
) -> None:
    gpio = NodeGpio(GpioPins(tamper_gpio=5, led_gpio=5), clock, factory)
    gpio.open()
    assert gpio.tamper is not None
    assert gpio.led is None
    assert "no led on GPIO5" in gpio.faults["led"]
    gpio.close()


def test_machine_without_pins_has_faults_and_no_crash(
    clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "none-such")
    gpio = NodeGpio(PINS, clock)
    gpio.open()
    assert set(gpio.faults) == {"tamper", "pir", "button", "led"}
    assert gpio.tamper is None
