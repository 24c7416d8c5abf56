"""An emulated I2C bus: what `smbus2.SMBus` does, on emulated parts instead of wires.

An address where nothing is plugged in answers as the kernel does: OSError 121 (EREMOTEIO).
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from typing import Any, Protocol

_I2C_M_RD = 0x0001


class I2cPart(Protocol):
    """A part on the bus, at the level of bytes."""

    def power_on(self) -> None:
        """Come up as after a loss of power."""

    def write(self, data: bytes) -> None:
        """Take a write: register number first, where the part has registers."""

    def read(self, length: int) -> bytes:
        """Give `length` bytes from where the last write pointed."""


class EmulatedI2cBus:
    """A bus with parts that can be unplugged, also in the middle of a reading."""

    def __init__(self) -> None:
        self._parts: dict[int, I2cPart] = {}
        self._transfers_until_cut: int | None = None
        self._cut_address = 0

    def plug(self, address: int, part: I2cPart) -> None:
        """Plug a part in; it comes up from scratch."""
        part.power_on()
        self._parts[address] = part

    def unplug(self, address: int) -> I2cPart:
        """Pull a part off the bus and return it."""
        return self._parts.pop(address)

    def unplug_after(self, address: int, transfers_n: int) -> None:
        """Let `transfers_n` more transfers through, then pull the part."""
        self._cut_address = address
        self._transfers_until_cut = transfers_n

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        part = self._part(i2c_addr)
        part.write(bytes([register]))
        return list(part.read(length))

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: Sequence[int]) -> None:
        self._part(i2c_addr).write(bytes([register, *data]))

    def write_byte(self, i2c_addr: int, value: int) -> None:
        self._part(i2c_addr).write(bytes([value]))

    def i2c_rdwr(self, *i2c_msgs: Any) -> None:
        """Run `smbus2.i2c_msg` messages; answers go into their buffers."""
        for message in i2c_msgs:
            part = self._part(message.addr)
            if message.flags & _I2C_M_RD:
                ctypes.memmove(message.buf, part.read(message.len), message.len)
            else:
                part.write(bytes(message))

    def close(self) -> None:
        """Nothing to let go of."""

    def _part(self, address: int) -> I2cPart:
        if self._transfers_until_cut is not None and address == self._cut_address:
            if self._transfers_until_cut == 0:
                self._transfers_until_cut = None
                self._parts.pop(address, None)
            else:
                self._transfers_until_cut -= 1
        if address not in self._parts:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        return self._parts[address]
