"""The node's clocks: boot time that never jumps, wall time that may, and whether to trust it.

Every piece of sensor data is stamped with boot time (`CLOCK_BOOTTIME`, which also runs while
suspended and never steps). Wall time is boot time plus an offset that is known once the kernel
says that the clock is synchronised. `FastClock` stands in where files or emulated sensors are
read faster than real time: sleeping on it costs nothing and moves its own time on.
"""

import ctypes
import time
from dataclasses import dataclass
from typing import Protocol

# adjtimex(2): TIME_ERROR (5) means "not synchronised"; 0 to 4 are the good states.
TIME_ERROR = 5


class Clock(Protocol):
    """What a sensor needs of time."""

    def boot_s(self) -> float:
        """Seconds since boot, monotonic."""

    def utc_s(self) -> float:
        """Seconds since 1970-01-01 UTC, as the node believes now."""

    def synced(self) -> bool:
        """Whether wall time can be trusted."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass on this clock."""


class SystemClock:
    """The machine's own clocks."""

    def boot_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def utc_s(self) -> float:
        return time.time()

    def synced(self) -> bool:
        return kernel_clock_synced()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


@dataclass
class FastClock:
    """A clock that moves only when its reader sleeps or says how much data it has read.

    Args:
        start_utc_s: Wall time at the first sample.
        now_s: Seconds passed since then.
    """

    start_utc_s: float
    now_s: float = 0.0

    def boot_s(self) -> float:
        return self.now_s

    def utc_s(self) -> float:
        return self.start_utc_s + self.now_s

    def synced(self) -> bool:
        return True

    def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)


def kernel_clock_synced() -> bool:
    """Whether the kernel's clock is disciplined by a time source (adjtimex(2) state).

    A container without its own time daemon shares the host kernel's state.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # struct timex is 208 bytes on 64-bit Linux; modes = 0 only reads.
    buffer = ctypes.create_string_buffer(256)
    state: int = libc.adjtimex(buffer)
    return 0 <= state < TIME_ERROR


class TrustedClock(SystemClock):
    """The machine's clock, and whether this node may put its time on a record.

    Args:
        always: Somebody else disciplines the clock (a container's host): it is always trusted.

    Once the kernel has been in sync since boot, the clock stays trusted: without a network the
    kernel gives up after some nine hours, when a Pi's crystal is a second off, and an outage must
    not cost a day of data. How long ago that was stands in the health record.
    """

    def __init__(self, *, always: bool = False) -> None:
        self._trusted = always

    def synced(self) -> bool:
        if not self._trusted:
            self._trusted = kernel_clock_synced()
        return self._trusted

    def trust(self) -> None:
        """It was in sync earlier in this boot, before this process began."""
        self._trusted = True
