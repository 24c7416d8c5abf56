"""Vishay VEML7700: 0.0042 lx a count, to 120,000 lx, ranged up and down by this driver.

Registers and resolutions from Vishay's datasheet 84286 (rev. 1.7 corrects the finest resolution
from 0.0036 to 0.0042 lx) and application note 84323. The part runs by itself; a new gain or
integration time holds only after the integration under way is over, so the driver waits for the
old time and the new one. It reads its configuration back each time: a part that lost power comes
back switched off and would say 0 lx.
"""

from dataclasses import dataclass

from edge.clock import Clock
from edge.errors import SensorError
from edge.sensors.light.i2c_bus import I2cBus, bus_errors_named
from edge.sensors.light.lux_sample import LuxSample, near_floor

ADDRESS = 0x10

ALS_CONF, POWER_SAVING, ALS = 0x00, 0x03, 0x04
GAIN_BITS = {1.0: 0b00, 2.0: 0b01, 0.125: 0b10, 0.25: 0b11}
INTEGRATION_BITS = {25: 0b1100, 50: 0b1000, 100: 0b0000, 200: 0b0001, 400: 0b0010, 800: 0b0011}
SHUTDOWN = 0x0001

FINEST_LX, FINEST_GAIN, FINEST_MS = 0.0042, 2.0, 800
COUNTS_MAX = 0xFFFF
FULL_SCALE_LX = 120_000.0
# About 3 counts in the dark at the finest range.
DARK_LX = 3 * FINEST_LX

# Vishay's correction holds above 1000 lx; below, the part is linear.
NONLINEAR_ABOVE_LX = 1000.0

# The part's oscillator may be slow; also covers its 2.5 ms start.
WAIT_MARGIN = 1.1


@dataclass(frozen=True)
class Range:
    """One setting of gain and integration time."""

    gain: float
    integration_ms: int

    @property
    def lx_per_count(self) -> float:
        """Resolution, by the ratio to the finest setting."""
        return FINEST_LX * (FINEST_GAIN / self.gain) * (FINEST_MS / self.integration_ms)

    @property
    def conf(self) -> int:
        """The configuration register, switched on."""
        return GAIN_BITS[self.gain] << 11 | INTEGRATION_BITS[self.integration_ms] << 6


# Fine to coarse; 100 ms at least, which spans whole periods of 100 and 120 Hz lamp flicker.
RANGES = (Range(2.0, 800), Range(2.0, 100), Range(0.25, 100), Range(0.125, 100))
COARSEST = len(RANGES) - 1
# Leave a range above 80 % of its counts, enter a finer one only when it will be under half full.
LEAVE_ABOVE_COUNTS = 52_000
ENTER_BELOW_COUNTS = 32_000


class Veml7700:
    """A VEML7700 on an I2C bus.

    Args:
        bus: The bus.
        clock: What integrations are waited for on.
        address: 0x10, the only one it has.
    """

    name = "veml7700"

    def __init__(self, bus: I2cBus, clock: Clock, address: int = ADDRESS) -> None:
        self._bus = bus
        self._clock = clock
        self._address = address
        self._range_index: int | None = None

    def read(self) -> LuxSample:
        """Measure in the range that fits; raises BusError.

        0.1 to 0.9 s in steady light; two changes of range after a switch, up to 2.9 s.
        """
        try:
            with bus_errors_named("VEML7700", self._address):
                return self._read()
        except SensorError:
            self._range_index = None
            raise

    def _read(self) -> LuxSample:
        index = self._running_range()
        counts = self._counts()
        for _ in RANGES:
            fitting = fitting_range(index, counts)
            if fitting == index:
                break
            self._change(index, fitting)
            index, counts = fitting, self._counts()
        return sample_from_counts(counts, RANGES[index])

    def _running_range(self) -> int:
        """The range in use, with a fresh integration in the part; starts it where needed."""
        index = self._range_index
        if index is None or self._word(ALS_CONF) != RANGES[index].conf:
            self._write(POWER_SAVING, 0)
            self._change(COARSEST, COARSEST)
            return COARSEST
        self._wait(RANGES[index].integration_ms)
        return index

    def _change(self, old: int, new: int) -> None:
        self._range_index = None
        self._write(ALS_CONF, RANGES[new].conf)
        self._wait(RANGES[old].integration_ms + RANGES[new].integration_ms)
        self._range_index = new

    def _wait(self, integration_ms: int) -> None:
        self._clock.sleep(integration_ms / 1000 * WAIT_MARGIN)

    def _counts(self) -> int:
        return self._word(ALS)

    def _word(self, register: int) -> int:
        low, high = self._bus.read_i2c_block_data(self._address, register, 2)
        return high << 8 | low

    def _write(self, register: int, word: int) -> None:
        self._bus.write_i2c_block_data(self._address, register, [word & 0xFF, word >> 8])


def fitting_range(index: int, counts: int) -> int:
    """Index of the range to measure in, after `counts` in range `index`."""
    if counts > LEAVE_ABOVE_COUNTS:
        # How far over can't be known from a full counter: the coarsest range will say.
        return COARSEST
    lux = counts * RANGES[index].lx_per_count
    for finer in range(index):
        if lux < ENTER_BELOW_COUNTS * RANGES[finer].lx_per_count:
            return finer
    return index


def sample_from_counts(counts: int, used: Range) -> LuxSample:
    """Counts of one integration as a sample."""
    lux = linearised_lux(counts * used.lx_per_count)
    saturated = counts == COUNTS_MAX or lux >= FULL_SCALE_LX
    return LuxSample(
        lux=min(lux, FULL_SCALE_LX),
        saturated=saturated,
        near_floor=near_floor(lux, DARK_LX),
        full_scale_lx=min(linearised_lux(COUNTS_MAX * used.lx_per_count), FULL_SCALE_LX),
        integration_ms=float(used.integration_ms),
    )


def linearised_lux(linear_lx: float) -> float:
    """Vishay's correction of the counts' lux above 1000 lx (application note 84323).

    The polynomial starts 7 % above the line it replaces; that step is the maker's, in daylight.
    """
    x = linear_lx
    if x <= NONLINEAR_ABOVE_LX:
        return x
    return (((6.0135e-13 * x - 9.3924e-9) * x + 8.1488e-5) * x + 1.0023) * x
