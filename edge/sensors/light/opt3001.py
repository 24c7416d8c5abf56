"""TI OPT3001: 0.01 to 83,865 lx, auto-ranging in the part, cosine-like field, IR blocked.

Registers from TI's datasheet (SBOS681). Every reading is a single shot of 800 ms that carries its
own configuration, so a part that lost power in between needs nothing to come back.
"""

from edge.clock import Clock
from edge.errors import SensorError
from edge.sensors.light.i2c_bus import I2cBus, bus_errors_named
from edge.sensors.light.lux_sample import LuxSample, near_floor

ADDRESS = 0x44

RESULT, CONFIG, MANUFACTURER_ID, DEVICE_ID = 0x00, 0x01, 0x7E, 0x7F
MANUFACTURER_TI, DEVICE_OPT3001 = 0x5449, 0x3001

# Range 1100 (automatic), conversion 800 ms, mode 01 (single shot), latched.
SINGLE_SHOT_800_MS = 0xCA10
CONVERSION_READY, OVERFLOW = 0x0080, 0x0100

INTEGRATION_S = 0.8
# The datasheet allows 880 ms; half as much again for a busy bus.
READY_WITHIN_S = 1.2
POLL_S = 0.02

LSB_LX = 0.01
MANTISSA_MAX, EXPONENT_MAX = 4095, 11
# 0 to 3 codes in the dark.
DARK_LX = 0.03


class Opt3001:
    """An OPT3001 on an I2C bus.

    Args:
        bus: The bus.
        clock: What conversions are waited for on.
        address: 0x44 to 0x47 by its ADDR pin.
    """

    name = "opt3001"

    def __init__(self, bus: I2cBus, clock: Clock, address: int = ADDRESS) -> None:
        self._bus = bus
        self._clock = clock
        self._address = address
        self._identified = False

    def read(self) -> LuxSample:
        """Measure for 800 ms; raises BusError, or SensorError when it isn't an OPT3001."""
        try:
            with bus_errors_named("OPT3001", self._address):
                return self._read()
        except SensorError:
            self._identified = False  # what answers next may be another part
            raise

    def _read(self) -> LuxSample:
        if not self._identified:
            self._identify()
        self._write(CONFIG, SINGLE_SHOT_800_MS)
        config = self._wait_ready()
        result = self._word(RESULT)
        exponent, mantissa = result >> 12, result & MANTISSA_MAX
        if exponent > EXPONENT_MAX:
            raise SensorError(
                f"OPT3001 at 0x{self._address:02x} gave range {exponent}, of 0 to {EXPONENT_MAX};"
                " check the bus for noise"
            )
        lux = LSB_LX * 2**exponent * mantissa
        at_top = exponent == EXPONENT_MAX and mantissa == MANTISSA_MAX
        return LuxSample(
            lux=lux,
            saturated=bool(config & OVERFLOW) or at_top,
            near_floor=near_floor(lux, DARK_LX),
            full_scale_lx=LSB_LX * 2**exponent * MANTISSA_MAX,
            integration_ms=INTEGRATION_S * 1000,
        )

    def _identify(self) -> None:
        maker, device = self._word(MANUFACTURER_ID), self._word(DEVICE_ID)
        if (maker, device) != (MANUFACTURER_TI, DEVICE_OPT3001):
            raise SensorError(
                f"the part at 0x{self._address:02x} says 0x{maker:04x} 0x{device:04x}, not"
                " OPT3001; check the address and the sensor's type in the settings"
            )
        self._identified = True

    def _wait_ready(self) -> int:
        """The configuration register once it says that the conversion is done."""
        deadline_s = self._clock.boot_s() + READY_WITHIN_S
        self._clock.sleep(INTEGRATION_S)
        while not (config := self._word(CONFIG)) & CONVERSION_READY:
            if self._clock.boot_s() > deadline_s:
                raise SensorError(
                    f"OPT3001 at 0x{self._address:02x} was not ready after {READY_WITHIN_S:.1f} s"
                    f" (configuration 0x{config:04x}); power it off and on"
                )
            self._clock.sleep(POLL_S)
        return config

    def _word(self, register: int) -> int:
        high, low = self._bus.read_i2c_block_data(self._address, register, 2)
        return high << 8 | low

    def _write(self, register: int, word: int) -> None:
        self._bus.write_i2c_block_data(self._address, register, [word >> 8, word & 0xFF])
