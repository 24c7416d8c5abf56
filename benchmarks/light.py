"""How true the light drivers are on emulated parts: python -m benchmarks.light [--json].

What this shows is the drivers' own error (ranging, resolution, the maker's correction). The parts'
tolerance (10 % OPT3001, 20 % BH1750) comes on top and is what calibration is for.
"""

import argparse
import json
from collections.abc import Callable

import numpy as np

from edge.clock import FastClock
from edge.sensors.light import bh1750, opt3001, veml7700
from edge.sensors.light.bh1750 import Bh1750
from edge.sensors.light.lux_sample import LightSensor
from edge.sensors.light.opt3001 import Opt3001
from edge.sensors.light.veml7700 import Veml7700
from edge.simulate.i2c_bus import EmulatedI2cBus, I2cPart
from edge.simulate.i2c_light_parts import EmulatedBh1750, EmulatedOpt3001, EmulatedVeml7700

World = Callable[[float], float]
PARTS: dict[
    str,
    tuple[
        Callable[[EmulatedI2cBus, FastClock], LightSensor],
        Callable[[World, FastClock], I2cPart],
        int,
    ],
] = {
    "opt3001": (Opt3001, EmulatedOpt3001, opt3001.ADDRESS),
    "veml7700": (Veml7700, EmulatedVeml7700, veml7700.ADDRESS),
    "bh1750": (Bh1750, EmulatedBh1750, bh1750.ADDRESS),
}
# Decades that matter: unlit, street lighting, dusk, daylight.
DECADES_LX = ((0.05, 0.4), (0.4, 3.0), (3.0, 50.0), (50.0, 1000.0), (1000.0, 50_000.0))


def figures(name: str) -> dict[str, float]:
    """Largest error in percent by decade, and the longest reading in s, dark to bright and back."""
    make_driver, make_part, address = PARTS[name]
    room = {"lux": 1.0}
    clock, bus = FastClock(start_utc_s=0.0), EmulatedI2cBus()
    bus.plug(address, make_part(lambda utc_s: room["lux"], clock))
    sensor = make_driver(bus, clock)
    longest_s, found = 0.0, {}
    for low_lx, high_lx in DECADES_LX:
        worst = 0.0
        for lux in np.geomspace(low_lx, high_lx, 60):
            for room["lux"] in (40_000.0, float(lux)):  # every reading comes out of bright light
                begin_s = clock.boot_s()
                read_lx = sensor.read().lux
                longest_s = max(longest_s, clock.boot_s() - begin_s)
            worst = max(worst, abs(read_lx / float(lux) - 1) * 100)
        found[f"{name}, {low_lx:g} to {high_lx:g} lx: largest error in %"] = worst
    return {**found, f"{name}: longest reading in s": longest_s}


def main() -> None:
    parser = argparse.ArgumentParser(description="How true the light drivers are.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    found = {key: value for name in PARTS for key, value in figures(name).items()}
    if parser.parse_args().json:
        print(json.dumps({name: round(value, 3) for name, value in found.items()}))
        return
    for name, value in found.items():
        print(f"{name:56} {value:8.2f}")


if __name__ == "__main__":
    main()
