"""What hangs on the pins, by gpiozero: tamper switch, infrared sensor, service button, status LED.

Nothing touches a pin before `NodeGpio.open()`, and every part takes the pin factory it is given,
so the node imports and tests anywhere. I2C and I2S parts are not gpiozero's and are not here.
"""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from gpiozero import LED, Button, DigitalInputDevice, PinFactoryFallback
from gpiozero.exc import GPIOZeroError

from edge.clock import Clock

P = TypeVar("P")

LedSignal = Literal["off", "starting", "ok", "fault", "commissioning"]

# (on, off) seconds; a short blip costs a night's darkness nothing.
_BLINK_S: dict[LedSignal, tuple[float, float]] = {
    "starting": (0.5, 0.5),
    "ok": (0.05, 4.95),
    "fault": (0.1, 0.2),
}

BUTTON_HOLD_S = 3.0
# Longer than contacts bounce, shorter than a hand moves.
BOUNCE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class GpioPins:
    """GPIO numbers (BCM); None for what this node doesn't have."""

    tamper_gpio: int | None = None
    pir_gpio: int | None = None
    button_gpio: int | None = None
    led_gpio: int | None = None


class TamperSwitch:
    """A switch that the enclosure's door holds closed, to ground."""

    def __init__(self, gpio: int, pin_factory: Any = None) -> None:
        self._switch = Button(gpio, pull_up=True, bounce_time=BOUNCE_S, pin_factory=pin_factory)

    def is_open(self) -> bool:
        """Whether the enclosure is open; a cut wire says open, too."""
        return not self._switch.is_pressed

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(is_open)` at every change, from gpiozero's thread."""
        self._switch.when_released = lambda: callback(True)
        self._switch.when_pressed = lambda: callback(False)

    def close(self) -> None:
        self._switch.close()


class PirPresence:
    """A passive infrared sensor that only ever tells which share of the time it saw movement.

    Three passes of a quarter second can look like one: a gate for presence, not a counter.
    gpiozero's MotionSensor averages samples of a thread; the edges are exact and cost nothing.
    """

    def __init__(self, gpio: int, clock: Clock, pin_factory: Any = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sensor = DigitalInputDevice(gpio, pull_up=False, pin_factory=pin_factory)
        self._since_s = self._taken_s = clock.boot_s()
        self._active = bool(self._sensor.is_active)
        self._active_s = 0.0
        self._sensor.when_activated = lambda: self._turn(active=True)
        self._sensor.when_deactivated = lambda: self._turn(active=False)

    def take_share(self) -> float | None:
        """Share of the time since the last call with movement, 0 to 1; None if no time passed."""
        with self._lock:
            now_s = self._clock.boot_s()
            self._add_up(now_s)
            length_s, self._taken_s = now_s - self._taken_s, now_s
            active_s, self._active_s = self._active_s, 0.0
        return min(1.0, active_s / length_s) if length_s > 0 else None

    def close(self) -> None:
        self._sensor.close()

    def _turn(self, *, active: bool) -> None:
        with self._lock:
            self._add_up(self._clock.boot_s())
            self._active = active

    def _add_up(self, now_s: float) -> None:
        self._active_s += now_s - self._since_s if self._active else 0.0
        self._since_s = now_s


class ServiceButton:
    """The button in the enclosure; held for 3 s it starts what needs a technician's presence."""

    def __init__(self, gpio: int, pin_factory: Any = None, hold_s: float = BUTTON_HOLD_S) -> None:
        self._button = Button(
            gpio, pull_up=True, bounce_time=BOUNCE_S, hold_time=hold_s, pin_factory=pin_factory
        )

    def on_held(self, callback: Callable[[], None]) -> None:
        """Call `callback` once a hold, from gpiozero's thread."""
        self._button.when_held = lambda: callback()

    def close(self) -> None:
        self._button.close()


class StatusLed:
    """The light in the enclosure."""

    def __init__(self, gpio: int, pin_factory: Any = None) -> None:
        self._led = LED(gpio, pin_factory=pin_factory)
        self.signal: LedSignal = "off"

    def show(self, signal: LedSignal) -> None:
        """Show a signal until the next one; showing the same again changes nothing."""
        if signal == self.signal:
            return
        self.signal = signal
        if signal in _BLINK_S:
            self._led.blink(*_BLINK_S[signal])
        elif signal == "commissioning":
            self._led.on()
        else:
            self._led.off()

    def close(self) -> None:
        self._led.close()


class NodeGpio:
    """The parts on this node's pins. A part that can't be had is None, with its reason in `faults`.

    Args:
        pins: Which parts the node has, and where.
        clock: Times the infrared sensor.
        pin_factory: gpiozero's; None for the machine's own.
    """

    def __init__(self, pins: GpioPins, clock: Clock, pin_factory: Any = None) -> None:
        self._pins = pins
        self._clock = clock
        self._factory = pin_factory
        self.tamper: TamperSwitch | None = None
        self.pir: PirPresence | None = None
        self.button: ServiceButton | None = None
        self.led: StatusLed | None = None
        self.faults: dict[str, str] = {}

    def open(self) -> None:
        """Take the pins; one part's failure leaves the others."""
        pins, clock, factory = self._pins, self._clock, self._factory
        self.tamper = self._part("tamper", pins.tamper_gpio, lambda g: TamperSwitch(g, factory))
        self.pir = self._part("pir", pins.pir_gpio, lambda g: PirPresence(g, clock, factory))
        self.button = self._part("button", pins.button_gpio, lambda g: ServiceButton(g, factory))
        self.led = self._part("led", pins.led_gpio, lambda g: StatusLed(g, factory))

    def close(self) -> None:
        """Let the pins go; safe to repeat."""
        for part in (self.tamper, self.pir, self.button, self.led):
            if part is not None:
                part.close()
        self.tamper = self.pir = self.button = self.led = None

    def _part(self, name: str, gpio: int | None, make: Callable[[int], P]) -> P | None:
        if gpio is None:
            return None
        try:
            with warnings.catch_warnings():
                # Falling back to another pin library is how pins go silently dead on a Pi 5.
                warnings.simplefilter("error", PinFactoryFallback)
                return make(gpio)
        except PinFactoryFallback as error:
            self.faults[name] = (
                f"no {name} on GPIO{gpio}: {error}; install python3-lgpio and put the node's user"
                " into the group gpio"
            )
        except (GPIOZeroError, OSError) as error:
            self.faults[name] = f"no {name} on GPIO{gpio}: {error}"
        return None
