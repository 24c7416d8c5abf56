"""The clock: what disciplines it, and how far off it is.

chrony says both; systemd-timesyncd steers through the kernel, whose remaining correction is read
with adjtimex(2) then.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from edge.sensors.health.programs import ProgramFailed, output_of
from edge.sensors.health.reading import Reading, missing

CHRONY_TRACKING = ("chronyc", "-n", "-c", "tracking")

_STA_UNSYNC, _STA_NANO = 0x0040, 0x2000
# Field of `chronyc -c tracking`: seconds by which the system clock is off.
_NAME_FIELD, _OFFSET_FIELD = 1, 4


@dataclass(frozen=True)
class ClockState:
    """Who steers the clock ("chrony 192.0.2.1", "kernel") and its offset in ms."""

    source: Reading[str]
    offset_ms: Reading[float]


class Timex(ctypes.Structure):
    """The head of `struct timex` (adjtimex(2)), with room for its rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def clock_state(command: Sequence[str] = CHRONY_TRACKING) -> ClockState:
    """The clock's source and offset, from chrony where it runs and from the kernel elsewhere."""
    try:
        return chrony_state(output_of(command))
    except (ProgramFailed, ValueError):
        return kernel_state(read_timex())


def chrony_state(tracking: str) -> ClockState:
    """Read the line of `chronyc -c tracking`; raises ValueError when it isn't one."""
    fields = tracking.strip().split(",")
    if len(fields) <= _OFFSET_FIELD:
        raise ValueError(f"chronyc said {tracking.strip()!r}, not its tracking line")
    name, offset_ms = fields[_NAME_FIELD], float(fields[_OFFSET_FIELD]) * 1000
    if not name:
        reason = "chrony has no time source yet"
        return ClockState(missing(reason), missing(reason))
    return ClockState(Reading(f"chrony {name}"), Reading(offset_ms))


def kernel_state(timex: Timex) -> ClockState:
    """What the kernel says; it knows an offset only while a time source steers it."""
    if timex.status & _STA_UNSYNC:
        reason = "the kernel's clock is not synchronised"
        return ClockState(missing(reason), missing(reason))
    per_ms = 1e6 if timex.status & _STA_NANO else 1e3
    return ClockState(Reading("kernel"), Reading(timex.offset / per_ms))


def read_timex() -> Timex:
    """The kernel's clock state; `modes` 0 only reads."""
    timex = Timex()
    ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return timex
