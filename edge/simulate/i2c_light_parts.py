"""OPT3001, VEML7700 and BH1750 at register level, seeing a world whose light is a function of time.

Written from the datasheets, with what trips drivers: results that are stale until a conversion
ends, settings that hold only after the integration under way, registers that forget when the
power goes.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from edge.clock import Clock
from edge.sensors.light import bh1750, opt3001, veml7700

# Illuminance at the sensor at a time, UTC seconds.
World = Callable[[float], float]

# Moments of an integration at which the world is looked at.
_LOOKS_N = 8


def mean_lux(world: World, clock: Clock, begin_s: float, end_s: float) -> float:
    """Mean illuminance between two boot times."""
    to_utc_s = clock.utc_s() - clock.boot_s()
    share = (np.arange(_LOOKS_N) + 0.5) / _LOOKS_N
    moments_s = begin_s + share * (end_s - begin_s) + to_utc_s
    return float(np.mean([world(float(moment_s)) for moment_s in moments_s]))


class EmulatedOpt3001:
    """TI OPT3001: single-shot and continuous conversions, automatic and fixed ranges."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self.power_on()

    def power_on(self) -> None:
        self._pointer = opt3001.RESULT
        self._config = 0xC810
        self._result = 0
        self._begin_s: float | None = None

    def write(self, data: bytes) -> None:
        self._pointer = data[0]
        if len(data) == 3 and self._pointer == opt3001.CONFIG:
            self._config = (data[1] << 8 | data[2]) & ~opt3001.CONVERSION_READY
            self._begin_s = self._clock.boot_s() if self._mode else None

    def read(self, length: int) -> bytes:
        self._advance()
        word = {
            opt3001.RESULT: self._result,
            opt3001.CONFIG: self._config,
            opt3001.MANUFACTURER_ID: opt3001.MANUFACTURER_TI,
            opt3001.DEVICE_ID: opt3001.DEVICE_OPT3001,
        }.get(self._pointer, 0)
        if self._pointer == opt3001.CONFIG:  # reading it clears the ready flag
            self._config &= ~opt3001.CONVERSION_READY
        return word.to_bytes(2, "big")[:length]

    @property
    def _mode(self) -> int:
        return self._config >> 9 & 0b11

    def _advance(self) -> None:
        if self._begin_s is None:
            return
        length_s = 0.8 if self._config & 0x0800 else 0.1
        conversions_n = int((self._clock.boot_s() - self._begin_s + 1e-9) / length_s)
        if conversions_n == 0:
            return
        if self._mode == 0b01:
            conversions_n = 1
        end_s = self._begin_s + conversions_n * length_s
        self._convert(mean_lux(self._world, self._clock, end_s - length_s, end_s))
        if self._mode == 0b01:
            self._config &= ~0x0600
            self._begin_s = None
        else:
            self._begin_s = end_s

    def _convert(self, lux: float) -> None:
        exponent = self._config >> 12
        if exponent == 0b1100:
            exponent = 0
            while exponent < 11 and lux > 0.01 * 2**exponent * 4095:
                exponent += 1
        mantissa = int(lux / (0.01 * 2**exponent))
        if not self._config & 0x0800 and exponent < 3:  # 100 ms: no finer than 0.08 lx
            mantissa &= ~(2 ** (3 - exponent) - 1)
        overflow = mantissa > 4095
        self._result = exponent << 12 | min(mantissa, 4095)
        self._config |= opt3001.CONVERSION_READY
        self._config &= ~opt3001.OVERFLOW
        self._config |= opt3001.OVERFLOW if overflow else 0


class EmulatedVeml7700:
    """Vishay VEML7700: integrates on and on; new settings hold from the next integration."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self.power_on()

    def power_on(self) -> None:
        self._pointer = veml7700.ALS_CONF
        self._config = self._running = veml7700.SHUTDOWN
        self._counts = 0
        self._begin_s = 0.0

    def write(self, data: bytes) -> None:
        self._advance()
        self._pointer = data[0]
        if len(data) == 3 and self._pointer == veml7700.ALS_CONF:
            self._config = data[1] | data[2] << 8
            if self._running & veml7700.SHUTDOWN or self._config & veml7700.SHUTDOWN:
                self._running = self._config
                self._begin_s = self._clock.boot_s()

    def read(self, length: int) -> bytes:
        self._advance()
        registers = {veml7700.ALS_CONF: self._config, veml7700.ALS: self._counts}
        return registers.get(self._pointer, 0).to_bytes(2, "little")[:length]

    def _advance(self) -> None:
        if self._running & veml7700.SHUTDOWN:
            self._counts = 0
            return
        if self._running != self._config and self._integrate(at_most=1):
            self._running = self._config
        if self._running == self._config:
            self._integrate(at_most=None)

    def _integrate(self, at_most: int | None) -> bool:
        """Run the integrations that are over by now; the last one's counts stay."""
        used = _veml_range(self._running)
        length_s = used.integration_ms / 1000
        done_n = int((self._clock.boot_s() - self._begin_s + 1e-9) / length_s)
        if at_most is not None:
            done_n = min(done_n, at_most)
        if done_n == 0:
            return False
        self._begin_s += done_n * length_s
        lux = mean_lux(self._world, self._clock, self._begin_s - length_s, self._begin_s)
        self._counts = min(int(veml_linear_lux(lux) / used.lx_per_count), veml7700.COUNTS_MAX)
        return True


def _veml_range(config: int) -> veml7700.Range:
    gains = {bits: gain for gain, bits in veml7700.GAIN_BITS.items()}
    times_ms = {bits: time_ms for time_ms, bits in veml7700.INTEGRATION_BITS.items()}
    return veml7700.Range(gains[config >> 11 & 0b11], times_ms[config >> 6 & 0b1111])


def veml_linear_lux(lux: float) -> float:
    """What the part's counts come to before Vishay's correction: the correction, undone."""
    edge = veml7700.NONLINEAR_ABOVE_LX
    if lux <= veml7700.linearised_lux(edge * (1 + 1e-9)):
        return min(lux, edge)
    return float(brentq(lambda x: veml7700.linearised_lux(x) - lux, edge * (1 + 1e-9), 40_000.0))


class EmulatedBh1750:
    """ROHM BH1750: commands instead of registers; a one-time measurement, then power down."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self.power_on()

    def power_on(self) -> None:
        self._powered = False
        self._mtreg = bh1750.MTREG_DEFAULT
        self._counts = 0
        self._measuring: bh1750.Range | None = None
        self._begin_s = 0.0

    def write(self, data: bytes) -> None:
        command = data[0]
        if command == bh1750.POWER_ON:
            self._powered = True
        elif command in (bh1750.ONE_TIME_H, bh1750.ONE_TIME_H2):
            if self._powered:
                self._measuring = bh1750.Range(command, self._mtreg)
                self._begin_s = self._clock.boot_s()
        elif command >> 5 == 0b010 and command & 0b11000 == 0:
            self._mtreg = (command & 0b111) << 5 | self._mtreg & 0x1F
        elif command >> 5 == 0b011:
            self._mtreg = self._mtreg & 0xE0 | command & 0x1F

    def read(self, length: int) -> bytes:
        used = self._measuring
        if used is not None:
            # Every emulated part takes the longest time of the datasheet.
            end_s = self._begin_s + used.longest_s
            if self._clock.boot_s() + 1e-9 >= end_s:
                lux = mean_lux(self._world, self._clock, self._begin_s, end_s)
                self._counts = min(int(lux / used.lx_per_count), bh1750.COUNTS_MAX)
                self._measuring, self._powered = None, False
        return self._counts.to_bytes(2, "big")[:length]
