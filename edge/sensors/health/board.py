"""The board: processor temperature, throttling, memory, disk, load."""

import os
import re
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from edge.sensors.health.programs import ProgramFailed, output_of
from edge.sensors.health.reading import Reading, missing

THERMAL_FILE = Path("/sys/class/thermal/thermal_zone0/temp")
GET_THROTTLED = ("vcgencmd", "get_throttled")

# Bits of `vcgencmd get_throttled`; 16 higher the same "has happened since boot".
THROTTLED_BITS = {
    0: "undervoltage",
    1: "frequency_capped",
    2: "throttled",
    3: "soft_temperature_limit",
}

_THROTTLED = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})")


def cpu_temperature_c(pin_factory: Any = None, sensor_file: Path = THERMAL_FILE) -> Reading[float]:
    """Temperature of the processor in degrees Celsius, by gpiozero."""
    from gpiozero import CPUTemperature, PinFactoryFallback
    from gpiozero.exc import GPIOZeroError

    if not sensor_file.exists():
        return missing(f"this board has no {sensor_file}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PinFactoryFallback)
            with CPUTemperature(sensor_file=str(sensor_file), pin_factory=pin_factory) as sensor:
                return Reading(float(sensor.temperature))
    except (GPIOZeroError, PinFactoryFallback, OSError, ValueError) as error:
        return missing(f"no processor temperature: {error}")


def throttled_bits(command: Sequence[str] = GET_THROTTLED) -> Reading[int]:
    """Bits of `vcgencmd get_throttled` (see `THROTTLED_BITS`)."""
    try:
        said = output_of(command)
    except ProgramFailed as error:
        return missing(str(error))
    found = _THROTTLED.search(said)
    if found is None:
        return missing(f"{command[0]} said {said.strip()!r}, not throttled=0x...")
    return Reading(int(found.group(1), 16))


def throttled_names(bits: int) -> list[str]:
    """What is the matter now, by name; what has only happened before is not in it."""
    return [name for bit, name in THROTTLED_BITS.items() if bits & 1 << bit]


def disk_free_bytes(folder: Path) -> Reading[int]:
    """Bytes free to the node's user on the disk that holds `folder`."""
    try:
        return Reading(shutil.disk_usage(folder).free)
    except OSError as error:
        return missing(f"can't see the disk of {folder}: {error.strerror}")


def memory_free_bytes() -> Reading[int]:
    """Memory that could be had without swapping."""
    return Reading(int(psutil.virtual_memory().available))


def load_1min() -> Reading[float]:
    """Processes that ran or wanted to, mean of a minute."""
    try:
        return Reading(os.getloadavg()[0])
    except OSError as error:
        return missing(f"no load average: {error}")
