"""What the engineer gets: one episode a fault, by TALQ's names where TALQ has one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

SOURCE = "optical-inferred"
"""Every episode is told from light alone; no lamp controller said so."""


class Kind(StrEnum):
    """TALQ 2.7.1 LampMonitor and LightSensor event names; the last three are ours.

    TALQ has none for a lamp that switches at the wrong time (its `switchingErrorOn/Off` mean a
    contactor that is stuck), nor for a section.
    """

    LAMP_FAILURE = "lampFailure"
    UNEXPECTED_ON = "lampUnexpectedOn"
    CYCLING = "cyclingFailure"
    LEVEL_LOW = "levelTooLow"
    SWITCHING_EARLY = "switchingEarly"
    SWITCHING_LATE = "switchingLate"
    FEEDER = "feederFault"


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One fault of one lamp, from when to when and why we believe it."""

    node: str
    kind: Kind
    from_s: int
    """UTC seconds; what the light says, at most a night after the truth of a fault by day."""
    to_s: int | None
    """None while it lasts."""
    raised_s: int
    """When the samples first sufficed to say so."""
    confidence: float
    """0 to 1, a judgement by kind of evidence, not a frequency."""
    evidence: dict[str, float | int | str] = field(default_factory=dict)
    closed_by: str | None = None
    lamps: tuple[str, ...] = ()
    """All lamps of a feeder fault; each has an episode of its own."""

    def as_json(self) -> dict[str, Any]:
        """With times in unix seconds (`from`, `to`) and in ISO 8601."""
        found: dict[str, Any] = {
            "node": self.node,
            "kind": str(self.kind),
            "from": self.from_s,
            "to": self.to_s,
            "from_utc": _iso(self.from_s),
            "to_utc": None if self.to_s is None else _iso(self.to_s),
            "raised": self.raised_s,
            "confidence": self.confidence,
            "source": SOURCE,
            "evidence": self.evidence,
            "closed_by": self.closed_by,
        }
        if self.lamps:
            found["lamps"] = list(self.lamps)
        return found


def _iso(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
