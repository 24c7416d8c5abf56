"""ROHM BH1750: 0.11 to 54,612 lx, +-20 % from part to part: an indicative sensor.

Commands from ROHM's datasheet. Every reading sets its own sensitivity (MTreg) and mode, so a part
that lost power in between needs nothing to come back.
"""

from dataclasses import dataclass

from smbus2 import i2c_msg

from edge.clock import Clock
from edge.sensors.light.i2c_bus import I2cBus, bus_errors_named
from edge.sensors.light.lux_sample import LuxSample, near_floor

ADDRESS = 0x23

POWER_ON = 0x01
MTREG_HIGH, MTREG_LOW = 0x40, 0x60
ONE_TIME_H, ONE_TIME_H2 = 0x20, 0x21

# Counts a lux at the default MTreg of 69 in mode H; H2 counts twice as finely.
COUNTS_PER_LX, MTREG_DEFAULT = 1.2, 69
COUNTS_MAX = 0xFFFF
# 120 ms typically and 180 ms at most, both at MTreg 69; in proportion to it.
TYPICAL_MS, LONGEST_MS = 120.0, 180.0


@dataclass(frozen=True)
class Range:
    """One setting of mode and MTreg."""

    command: int
    mtreg: int

    @property
    def lx_per_count(self) -> float:
        """Resolution."""
        halves = 2 if self.command == ONE_TIME_H2 else 1
        return MTREG_DEFAULT / self.mtreg / COUNTS_PER_LX / halves

    @property
    def integration_ms(self) -> float:
        """Typical length of a measurement."""
        return TYPICAL_MS * self.mtreg / MTREG_DEFAULT

    @property
    def longest_s(self) -> float:
        """When the measurement is certainly done."""
        return LONGEST_MS / 1000 * self.mtreg / MTREG_DEFAULT


# Above 54,612 lx only an integration under 100 ms would fit; the reading saturates and says so.
FINE, COARSE = Range(ONE_TIME_H2, 254), Range(ONE_TIME_H, 69)
# Back to the fine range (7,418 lx) well below its top, so that it doesn't flutter.
ENTER_FINE_BELOW_LX = 5_000.0
# 0 to 3 counts in the dark.
DARK_LX = 3 * FINE.lx_per_count


class Bh1750:
    """A BH1750 on an I2C bus.

    Args:
        bus: The bus.
        clock: What measurements are waited for on.
        address: 0x23, or 0x5C with its ADDR pin high.
    """

    name = "bh1750"

    def __init__(self, bus: I2cBus, clock: Clock, address: int = ADDRESS) -> None:
        self._bus = bus
        self._clock = clock
        self._address = address
        self._range = FINE

    def read(self) -> LuxSample:
        """Measure in the range that fits, 0.2 to 0.9 s; raises BusError."""
        with bus_errors_named("BH1750", self._address):
            counts = self._measure(self._range)
            fitting = fitting_range(self._range, counts)
            if fitting != self._range:
                self._range = fitting
                counts = self._measure(fitting)
        lux = counts * self._range.lx_per_count
        return LuxSample(
            lux=lux,
            saturated=counts == COUNTS_MAX,
            near_floor=near_floor(lux, DARK_LX),
            full_scale_lx=COUNTS_MAX * self._range.lx_per_count,
            integration_ms=round(self._range.integration_ms, 1),
        )

    def _measure(self, used: Range) -> int:
        for command in (
            POWER_ON,
            MTREG_HIGH | used.mtreg >> 5,
            MTREG_LOW | used.mtreg & 0x1F,
            used.command,
        ):
            self._bus.write_byte(self._address, command)
        self._clock.sleep(used.longest_s)
        # The part has no register numbers: a plain read, without the write of SMBus.
        answer = i2c_msg.read(self._address, 2)
        self._bus.i2c_rdwr(answer)
        high, low = bytes(answer)
        return high << 8 | low


def fitting_range(used: Range, counts: int) -> Range:
    """The range to measure in, after `counts` in range `used`."""
    if used == FINE:
        return COARSE if counts == COUNTS_MAX else FINE
    return FINE if counts * used.lx_per_count < ENTER_FINE_BELOW_LX else COARSE
