"""One suite for all light sensors: driver, emulated part and world, on one fast clock."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edge.clock import FastClock
from edge.sensors.light import bh1750, opt3001, veml7700
from edge.sensors.light.bh1750 import Bh1750
from edge.sensors.light.lux_sample import LightSensor
from edge.sensors.light.opt3001 import Opt3001
from edge.sensors.light.veml7700 import Veml7700
from edge.simulate.i2c_bus import EmulatedI2cBus, I2cPart
from edge.simulate.i2c_light_parts import EmulatedBh1750, EmulatedOpt3001, EmulatedVeml7700

START_UTC_S = 1_790_000_000.0

Driver = Callable[[EmulatedI2cBus, FastClock], LightSensor]
Part = Callable[[Callable[[float], float], FastClock], I2cPart]


@dataclass
class LightBench:
    """A sensor on its emulated part; `lux` is the light in the room."""

    make_driver: Driver
    make_part: Part
    address: int
    lux: float = 10.0

    def __post_init__(self) -> None:
        self.clock = FastClock(start_utc_s=START_UTC_S)
        self.bus = EmulatedI2cBus()
        self.part = self.make_part(lambda utc_s: self.lux, self.clock)
        self.bus.plug(self.address, self.part)
        self.sensor = self.make_driver(self.bus, self.clock)

    def read_lux(self, lux: float) -> float:
        """Set the light, let the part see it, and read."""
        self.lux = lux
        return self.sensor.read().lux


BENCHES: dict[str, tuple[Driver, Part, int]] = {
    "opt3001": (Opt3001, EmulatedOpt3001, opt3001.ADDRESS),
    "veml7700": (Veml7700, EmulatedVeml7700, veml7700.ADDRESS),
    "bh1750": (Bh1750, EmulatedBh1750, bh1750.ADDRESS),
}


@pytest.fixture(params=BENCHES, ids=list(BENCHES))
def bench(request: pytest.FixtureRequest) -> LightBench:
    return LightBench(*BENCHES[request.param])


@pytest.fixture
def bench_of() -> Callable[[str], LightBench]:
    return lambda name: LightBench(*BENCHES[name])
