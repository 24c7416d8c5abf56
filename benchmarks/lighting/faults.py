"""Faults drawn for the lamps of a site, and the truth about each that a scorer may ask for."""

from dataclasses import dataclass

import numpy as np

from benchmarks.lighting.sky import MINUTES_A_DAY

LAMP_FAILURE = "lampFailure"
UNEXPECTED_ON = "lampUnexpectedOn"
CYCLING = "cyclingFailure"
LEVEL_LOW = "levelTooLow"
SWITCHING_EARLY = "switchingEarly"
SWITCHING_LATE = "switchingLate"
FEEDER = "feederFault"
KINDS = (
    LAMP_FAILURE,
    UNEXPECTED_ON,
    CYCLING,
    LEVEL_LOW,
    SWITCHING_EARLY,
    SWITCHING_LATE,
    FEEDER,
)

# Nothing goes wrong in the first weeks: lamps are commissioned by people who look at them.
_COMMISSIONING_MIN = 21 * MINUTES_A_DAY


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of one lamp, in minutes since the recording's start."""

    kind: str
    begin_min: int
    end_min: int
    edge: str = ""
    """Which edge a switching fault moves: `on` or `off`."""
    shift_min: int = 0
    level: float = 1.0
    """Output left at the end of a weak lamp's decline."""
    gradual: bool = False
    feeder: str = ""


def draw_feeder_faults(
    rng: np.random.Generator, n_min: int, feeders: list[str], *, a_year: float
) -> list[Fault]:
    """Supply lost to a section: for half an hour, a night, or some days."""
    faults = []
    for feeder in feeders:
        for begin in _begins(rng, n_min, a_year):
            length = int(rng.choice([rng.uniform(40, 300), rng.uniform(600, 4 * MINUTES_A_DAY)]))
            faults.append(
                Fault(kind=FEEDER, begin_min=begin, end_min=begin + length, feeder=feeder)
            )
    return faults


def draw_lamp_faults(
    rng: np.random.Generator, n_min: int, taken: list[Fault], *, a_year: float
) -> list[Fault]:
    """A lamp's own faults, clear of each other and of its feeder's by at least five days."""
    faults: list[Fault] = []
    kinds = (LAMP_FAILURE, UNEXPECTED_ON, CYCLING, LEVEL_LOW, SWITCHING_EARLY, SWITCHING_LATE)
    for begin in _begins(rng, n_min, a_year):
        fault = _draw(rng, str(rng.choice(kinds)), begin, n_min)
        if all(_clear(fault, other) for other in [*taken, *faults]):
            faults.append(fault)
    return faults


def _begins(rng: np.random.Generator, n_min: int, a_year: float) -> list[int]:
    n = int(rng.poisson(a_year * n_min / (365 * MINUTES_A_DAY)))
    return sorted(int(at) for at in rng.integers(_COMMISSIONING_MIN, n_min - MINUTES_A_DAY, n))


def _clear(fault: Fault, other: Fault) -> bool:
    apart = 5 * MINUTES_A_DAY
    return fault.begin_min > other.end_min + apart or other.begin_min > fault.end_min + apart


def _draw(rng: np.random.Generator, kind: str, begin: int, n_min: int) -> Fault:
    day = MINUTES_A_DAY
    if kind == LAMP_FAILURE:
        length = rng.uniform(45, 240) if rng.random() < 0.2 else rng.uniform(0.5, 20) * day
        return Fault(kind=kind, begin_min=begin, end_min=begin + int(length))
    if kind == UNEXPECTED_ON:
        return Fault(kind=kind, begin_min=begin, end_min=begin + int(rng.uniform(1.0, 12) * day))
    if kind == CYCLING:
        return Fault(kind=kind, begin_min=begin, end_min=begin + int(rng.uniform(1.0, 20) * day))
    if kind == LEVEL_LOW:
        length, left = int(rng.uniform(30, 120) * day), rng.uniform(0.4, 0.7)
        gradual = rng.random() < 0.5
        end = min(n_min, begin + length)
        return Fault(kind=kind, begin_min=begin, end_min=end, level=left, gradual=gradual)
    edge = str(rng.choice(["on", "off"]))
    return Fault(
        kind=kind,
        begin_min=begin,
        end_min=begin + int(rng.uniform(5, 30) * day),
        edge=edge,
        shift_min=int(rng.uniform(22, 75)),
    )
