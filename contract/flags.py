"""Flags: what was wrong or special about a record, and what follows from each.

One table; the server's migration copies it into `flag`, and views, evaluations and exports read
it from there. On the wire flags are names, in the database bits of one integer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Flag(StrEnum):
    """A property of one record."""

    PARTIAL = "PARTIAL"
    SATURATED = "SATURATED"
    NEAR_FLOOR = "NEAR_FLOOR"
    OVERLOAD = "OVERLOAD"
    DARK = "DARK"
    OCCLUDED = "OCCLUDED"
    LOW_FPS = "LOW_FPS"
    CLOCK_UNSYNCED = "CLOCK_UNSYNCED"
    UNCALIBRATED = "UNCALIBRATED"
    MAINTENANCE = "MAINTENANCE"
    SIMULATED = "SIMULATED"


@dataclass(frozen=True)
class FlagRule:
    """One flag: its bit, its meaning, and where a record that carries it may go."""

    flag: Flag
    bit: int
    meaning: str
    rollup: bool
    kpi: bool
    evaluation: bool
    export: bool = True  # an export always carries the record, with its flags beside it


FLAG_RULES: tuple[FlagRule, ...] = (
    FlagRule(Flag.PARTIAL, 0, "the window was shorter than its grid: start, stop or restart",
             rollup=True, kpi=True, evaluation=True),
    FlagRule(Flag.SATURATED, 1, "the light sensor was at the top of its range",
             rollup=True, kpi=True, evaluation=False),
    FlagRule(Flag.NEAR_FLOOR, 2, "the level is within the sensor's own noise",
             rollup=True, kpi=True, evaluation=True),
    FlagRule(Flag.OVERLOAD, 3, "the microphone clipped; the level is a lower bound",
             rollup=True, kpi=True, evaluation=False),
    FlagRule(Flag.DARK, 4, "too dark to count people for at least a part of the window",
             rollup=True, kpi=True, evaluation=True),
    FlagRule(Flag.OCCLUDED, 5, "the camera was covered, frozen or moved for a part of the window",
             rollup=True, kpi=True, evaluation=False),
    FlagRule(Flag.LOW_FPS, 6, "too few frames a second to follow people reliably",
             rollup=True, kpi=True, evaluation=False),
    FlagRule(Flag.CLOCK_UNSYNCED, 7, "the node's clock was never synchronised; `t` is a guess",
             rollup=False, kpi=False, evaluation=False),
    FlagRule(Flag.UNCALIBRATED, 8, "no calibration of this sensor was on record at the node",
             rollup=True, kpi=True, evaluation=False),
    FlagRule(Flag.MAINTENANCE, 9, "somebody was working on the node",
             rollup=False, kpi=False, evaluation=False),
    FlagRule(Flag.SIMULATED, 10, "made by emulated hardware, not measured",
             rollup=True, kpi=True, evaluation=True),
)  # fmt: skip

_BIT_OF = {rule.flag: 1 << rule.bit for rule in FLAG_RULES}


def flags_to_bits(flags: Iterable[Flag]) -> int:
    """Flags as the integer the database keeps."""
    bits = 0
    for flag in flags:
        bits |= _BIT_OF[flag]
    return bits


def bits_to_flags(bits: int) -> list[Flag]:
    """The flags set in `bits`, in the table's order; raises ValueError on an unknown bit."""
    known = [rule.flag for rule in FLAG_RULES if bits & (1 << rule.bit)]
    if flags_to_bits(known) != bits:
        raise ValueError(f"flags {bits:#x} hold a bit that this version doesn't know")
    return known


def mask_barred_from(use: str) -> int:
    """Bits of the flags that keep a record out of `use`: rollup, kpi, evaluation or export."""
    return flags_to_bits(rule.flag for rule in FLAG_RULES if not getattr(rule, use))
