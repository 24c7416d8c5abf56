"""How large the city is, and what of it was measured when."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Nodes whose records are made one by one; all others repeat one of them, name and place apart.
PATTERNS_N = 8
STREAMS = ("light", "noise", "footfall", "health")


@dataclass(frozen=True)
class Shape:
    """Node `city-000` and those after it at sites `site-00` and after."""

    nodes_n: int = 500
    sites_n: int = 50
    rollup_days: int = 365
    raw_days: int = 30

    @property
    def name(self) -> str:
        """What a folder of such data is called."""
        return f"year-{self.nodes_n}x{self.rollup_days}d-raw{self.raw_days}d"


@dataclass(frozen=True)
class Span:
    """The time that the data covers: [began, end), raw from `raw_from` on; all on UTC hours."""

    began: datetime
    raw_from: datetime
    end: datetime

    @classmethod
    def until(cls, end: datetime, shape: Shape) -> "Span":
        """Raw begins at a UTC midnight, as retention would have it."""
        hour = end.replace(minute=0, second=0, microsecond=0)
        raw_from = hour.replace(hour=0) - timedelta(days=shape.raw_days)
        return cls(hour - timedelta(days=shape.rollup_days), raw_from, hour)
