"""What hangs on the node's pins, wired to the agent: opened late, and only what is set up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.events import Tamper
from edge.clock import Clock
from edge.sensor_states import OK, STARTING, SensorStates
from edge.settings import Settings

if TYPE_CHECKING:
    from edge.sensors.gpio import LedSignal, NodeGpio

PARTS = ("tamper", "pir", "button", "led")
# States in which a sensor does what it should: a street may be dark.
NO_FAULT = frozenset({OK, STARTING, "too_dark"})


@dataclass
class NodePins:
    """Tamper switch, infrared sensor, service button and status light of one node.

    Args:
        settings: Which pins; all off by default, and then gpiozero isn't even imported.
        clock: Times the infrared sensor.
        pin_factory: gpiozero's; None for the machine's own.
    """

    settings: Settings
    clock: Clock
    pin_factory: Any = None
    _gpio: "NodeGpio | None" = None

    def open(
        self, states: SensorStates, say: Callable[[Tamper], None], held: Callable[[], None]
    ) -> None:
        """Take the pins; what can't be had is a sensor state with its reason.

        Args:
            say: Takes the event when the enclosure is opened or closed, and when it is open now.
            held: Called when the service button is held.
        """
        wanted = {part: self._pin(part) for part in PARTS}
        if all(pin is None for pin in wanted.values()):
            return
        from edge.sensors.gpio import GpioPins, NodeGpio

        pins = GpioPins(**{f"{part}_gpio": pin for part, pin in wanted.items()})
        self._gpio = gpio = NodeGpio(pins, self.clock, self.pin_factory)
        gpio.open()
        for part in PARTS:
            if part in gpio.faults:
                states.set(part, "no_gpio", gpio.faults[part])
            elif wanted[part] is not None:
                states.set(part, OK)
        if gpio.tamper is not None:
            if gpio.tamper.is_open():
                say(Tamper(open=True))
            gpio.tamper.on_change(lambda is_open: say(Tamper(open=is_open)))
        if gpio.button is not None:
            gpio.button.on_held(held)

    def pir_share(self) -> float | None:
        """Share of the time since the last call with movement; None without the sensor."""
        if self._gpio is None or self._gpio.pir is None:
            return None
        share = self._gpio.pir.take_share()
        return None if share is None else round(share, 3)

    def show(self, states: SensorStates, *, walk_test: bool) -> None:
        """Let the light say how the node is."""
        if self._gpio is not None and self._gpio.led is not None:
            self._gpio.led.show(led_signal(states, walk_test=walk_test))

    def close(self) -> None:
        """Let the pins go."""
        if self._gpio is not None:
            self._gpio.close()
            self._gpio = None

    def _pin(self, part: str) -> int | None:
        pin = self.settings.integer(f"gpio.{part}")
        return pin if pin >= 0 else None


def led_signal(states: SensorStates, *, walk_test: bool) -> "LedSignal":
    """What the status light shows: somebody works here, something is wrong, starting, all well."""
    now = {run.state for run in states.snapshot()}
    if walk_test:
        return "commissioning"
    if now - NO_FAULT:
        return "fault"
    return "starting" if STARTING in now else "ok"
