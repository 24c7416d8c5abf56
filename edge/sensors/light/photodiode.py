"""A photodiode on an MCP3008: light on or off, and nothing else.

One count of 10 bits is 160 % of the dimmest class's minimum, and the diodes differ by a factor of
three: it can't give lux and doesn't pretend to.
"""

import warnings
from typing import Any, Protocol

from edge.errors import SensorError


class RawAdc(Protocol):
    """An analogue input that gives its counts."""

    @property
    def raw_value(self) -> int:
        """0 to 1023."""


def open_mcp3008(channel: int, pin_factory: Any = None) -> RawAdc:
    """Channel `channel` of the MCP3008 on SPI 0.0.

    gpiozero falls back to bit-banged SPI with only a warning when the SPI device or spidev is
    missing; its readings are slow and not to be trusted, so that is refused.

    Raises:
        SensorError: no hardware SPI, or no such pins.
    """
    from gpiozero import MCP3008, SPISoftwareFallback
    from gpiozero.exc import GPIOZeroError

    with warnings.catch_warnings():
        warnings.simplefilter("error", SPISoftwareFallback)
        try:
            adc: RawAdc = MCP3008(channel=channel, pin_factory=pin_factory)
        except SPISoftwareFallback as error:
            raise SensorError(
                f"MCP3008 channel {channel} has no hardware SPI ({error}); enable it"
                " (dtparam=spi=on) and install spidev"
            ) from error
        except (GPIOZeroError, OSError) as error:
            raise SensorError(f"can't open MCP3008 channel {channel}: {error}") from error
    return adc


class PhotodiodeSwitch:
    """Whether it is light, with hysteresis.

    Args:
        adc: The input. `raw_value` and not `value`, which is 0.0005 for a raw 0.
        on_counts: Light from here up.
        off_counts: Dark from here down.
    """

    def __init__(self, adc: RawAdc, on_counts: int = 60, off_counts: int = 30) -> None:
        if not 0 <= off_counts < on_counts <= 1023:
            raise ValueError(f"off_counts {off_counts} must lie below on_counts {on_counts}")
        self._adc = adc
        self._on_counts, self._off_counts = on_counts, off_counts
        self._is_light = False

    def read_is_light(self) -> bool:
        """Light or dark; between the two thresholds it stays what it was."""
        counts = self._adc.raw_value
        if counts >= self._on_counts:
            self._is_light = True
        elif counts <= self._off_counts:
            self._is_light = False
        return self._is_light
