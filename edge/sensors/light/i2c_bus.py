"""The I2C bus as the light sensors use it, in the shape of `smbus2.SMBus`."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

from smbus2 import SMBus

from edge.errors import BusError


class I2cBus(Protocol):
    """The methods of `smbus2.SMBus` that the drivers call; all raise OSError."""

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Write the register's number, then read `length` bytes."""

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: Sequence[int]) -> None:
        """Write the register's number and the bytes."""

    def write_byte(self, i2c_addr: int, value: int) -> None:
        """Write one byte."""

    def i2c_rdwr(self, *i2c_msgs: Any) -> None:
        """Run `smbus2.i2c_msg` messages as one transaction."""

    def close(self) -> None:
        """Let go of the bus."""


def open_bus(number: int) -> I2cBus:
    """Open /dev/i2c-`number`; raises BusError when it isn't there or may not be used."""
    try:
        return cast(I2cBus, SMBus(number))
    except OSError as error:
        raise BusError(
            error.errno,
            f"can't open I2C bus {number}: {error.strerror}; enable it (dtparam=i2c_arm=on) and"
            " put the node's user into the group i2c",
        ) from error


@contextmanager
def bus_errors_named(part: str, address: int) -> Iterator[None]:
    """Turn the bus's OSError into a BusError that names the part."""
    try:
        yield
    except BusError:
        raise
    except OSError as error:
        seen = errno.errorcode.get(error.errno or 0, str(error.errno))
        raise BusError(
            error.errno,
            f"{part} at 0x{address:02x} did not answer ({seen}); check its cable, pull-ups and"
            " address",
        ) from error
