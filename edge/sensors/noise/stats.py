"""One window of sound: slots in, the fields of a noise record out. Averages energy, never dB."""

import math
from dataclasses import dataclass, field
from typing import Any

from contract.flags import Flag
from edge.sensors.noise.laf_histogram import LOWEST_DB, LafHistogram
from edge.sensors.noise.level_meter import LevelSlot, level_db

# 10 dB above the self-noise of the ICS-43434 (29 dB(A)): from there down it adds more than 0.4 dB.
NEAR_FLOOR_DB = 39.0


@dataclass
class NoiseStats:
    """Sufficient statistics of a stretch of sound; two stretches merge into one.

    Args:
        near_floor_db: LAeq below which the record is flagged `NEAR_FLOOR`.
    """

    near_floor_db: float = NEAR_FLOOR_DB
    seconds: float = 0.0
    exposure_a: float = 0.0
    exposure_c: float = 0.0
    max_db: float = -math.inf
    min_db: float = math.inf
    overload_n: int = 0
    lost_n: int = 0
    histogram: LafHistogram = field(default_factory=LafHistogram)

    def add(self, slot: LevelSlot) -> None:
        """Take one slot of the meter."""
        self.seconds += slot.seconds
        self.exposure_a += slot.exposure_a
        self.exposure_c += slot.exposure_c
        self.max_db = max(self.max_db, slot.max_db)
        self.overload_n += slot.overload_n
        if slot.min_db is not None:
            self.min_db = min(self.min_db, slot.min_db)
        if slot.end_db is not None:
            self.histogram.add(slot.end_db)

    def add_lost(self, samples_n: int) -> None:
        """Count samples that the sound card made and nobody got."""
        self.lost_n += samples_n

    def merge(self, other: "NoiseStats") -> None:
        """Add another stretch of the same microphone's sound."""
        self.seconds += other.seconds
        self.exposure_a += other.exposure_a
        self.exposure_c += other.exposure_c
        self.max_db = max(self.max_db, other.max_db)
        self.min_db = min(self.min_db, other.min_db)
        self.overload_n += other.overload_n
        self.lost_n += other.lost_n
        self.histogram.merge(other.histogram)

    def levels(self) -> dict[str, float | None]:
        """The levels in dB by their names on the wire; None for what was never measured."""
        return {
            "laeq": self._equivalent_db(self.exposure_a),
            "lceq": self._equivalent_db(self.exposure_c),
            "lafmax": _measured(self.max_db),
            "lafmin": _measured(self.min_db),
            "la10": self.histogram.exceeded_db(0.10),
            "la50": self.histogram.exceeded_db(0.50),
            "la90": self.histogram.exceeded_db(0.90),
        }

    def record_fields(self) -> dict[str, Any]:
        """The fields of a `NoiseRecord` but `seq`, `t` and `dur_s`.

        A window in which any level is missing (none measured, or less than the settling time)
        has all of them None and `valid_s` 0.
        """
        levels = self.levels()
        measured = all(level is not None for level in levels.values())
        rounded = {
            name: round(level, 2) if measured and level is not None else None
            for name, level in levels.items()
        }
        return {
            **rounded,
            "overload_n": self.overload_n,
            "lost_n": self.lost_n,
            "laf_hist": self.histogram.wire_classes() if measured else [],
            "valid_s": round(self.seconds, 3) if measured else 0.0,
            "flags": self._flags(levels["laeq"]) if measured else [],
        }

    def _flags(self, laeq: float | None) -> list[Flag]:
        flags = []
        if laeq is not None and laeq < self.near_floor_db:
            flags.append(Flag.NEAR_FLOOR)
        if self.overload_n:
            flags.append(Flag.OVERLOAD)
        return flags

    def _equivalent_db(self, exposure: float) -> float | None:
        return _measured(level_db(exposure / self.seconds)) if self.seconds else None


def _measured(level: float) -> float | None:
    """None for infinities and for what lies under any microphone's reach: digital silence."""
    return level if LOWEST_DB <= level < math.inf else None
