"""Light: a lux sensor on the I2C bus, or one emulated at its registers."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from contract.streams import Stream
from edge.clock import Clock
from edge.errors import SettingsError
from edge.feeds.feed import Reading
from edge.sensor_states import OK
from edge.sensors.light.bh1750 import Bh1750
from edge.sensors.light.i2c_bus import I2cBus, open_bus
from edge.sensors.light.lux_sample import LightSensor, LuxSample
from edge.sensors.light.opt3001 import Opt3001
from edge.sensors.light.stats import LightStats
from edge.sensors.light.veml7700 import Veml7700
from edge.settings import Settings
from edge.windows import Piece

PARTS: dict[str, Callable[[I2cBus, Clock], LightSensor]] = {
    "opt3001": Opt3001,
    "veml7700": Veml7700,
    "bh1750": Bh1750,
}
EMULATED = "emulated:"


class LightFeed:
    """Samples of one lux sensor, one after the other.

    Args:
        part: Its name in `PARTS`.
        open_bus: Opens the bus; anew after each failure, for a bus may hang.
    """

    stream = Stream.LIGHT
    splits = True
    ends = False
    rev_part = None
    least_window_s = 0.0
    sens_db = None

    def __init__(
        self, part: str, open_bus: Callable[[], I2cBus], clock: Clock, *, simulated: bool
    ) -> None:
        self.part = part
        self.clock = clock
        self.simulated = simulated
        self._open_bus = open_bus
        self._stopping = threading.Event()

    def readings(self) -> Iterator[Reading]:
        bus = self._open_bus()
        try:
            sensor = PARTS[self.part](bus, self.clock)
            begin_s = self.clock.boot_s()
            while not self._stopping.is_set():
                sample = sensor.read()
                end_s = self.clock.boot_s()
                yield Reading(Piece(begin_s, end_s - begin_s, sample), OK)
                begin_s = end_s
        finally:
            bus.close()

    def new_stats(self) -> "_Stats":
        return _Stats(self.part)

    def stop(self) -> None:
        self._stopping.set()


class _Stats(LightStats):
    """Light statistics that take a piece's length, which may be nothing on a fast clock."""

    def add(self, sample: LuxSample, seconds: float) -> None:
        if seconds > 0:
            super().add(sample, seconds)


def light_feed(
    settings: Settings, clock: Clock, lux: Callable[[float], float] | None = None
) -> LightFeed | None:
    """The light sensor that the settings name, or None.

    Args:
        lux: What falls on an emulated sensor's dome at a UTC second; the street's light unless
            given.
    """
    source = settings.text("light.source")
    if source == "off":
        return None
    part = source.removeprefix(EMULATED)
    if part not in PARTS:
        raise SettingsError(
            f"light.source is {source!r}; expected off, {', '.join(PARTS)} or {EMULATED}PART"
        )
    if not source.startswith(EMULATED):
        bus = settings.integer("light.bus")
        return LightFeed(part, lambda: open_bus(bus), clock, simulated=False)
    emulated_bus = _emulated_bus(part, settings, clock, lux or _street(settings))
    return LightFeed(part, lambda: emulated_bus, clock, simulated=True)


def _street(settings: Settings) -> Callable[[float], float]:
    from edge.simulate.lux_profiles import StreetLightProfile

    return StreetLightProfile(
        latitude_deg=settings.number("latitude_deg"),
        longitude_deg=settings.number("longitude_deg"),
        lamp_lx=settings.number("light.lamp_lx"),
        lamp_works=settings.flag("light.lamp_works"),
        seed=settings.integer("seed"),
    )


def _emulated_bus(
    part: str, settings: Settings, clock: Clock, lux: Callable[[float], float]
) -> Any:
    from edge.sensors.light import bh1750, opt3001, veml7700
    from edge.simulate.i2c_bus import EmulatedI2cBus
    from edge.simulate.i2c_light_parts import EmulatedBh1750, EmulatedOpt3001, EmulatedVeml7700

    dome_share = settings.number("light.dome_share")

    def under_dome(utc_s: float) -> float:
        return dome_share * lux(utc_s)

    bus = EmulatedI2cBus()
    if part == "opt3001":
        bus.plug(opt3001.ADDRESS, EmulatedOpt3001(under_dome, clock))
    elif part == "veml7700":
        bus.plug(veml7700.ADDRESS, EmulatedVeml7700(under_dome, clock))
    else:
        bus.plug(bh1750.ADDRESS, EmulatedBh1750(under_dome, clock))
    return bus
