"""One lamp's night as a lane: time across, told lit, told dark, and what can't be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

WIDTH = 1000
_MARGIN = timedelta(hours=1)


@dataclass(frozen=True)
class Bar:
    """A part of a lane, in units of WIDTH."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True)
class Tick:
    """An hour of the clock over the lanes."""

    x: float
    text: str


@dataclass(frozen=True)
class Scale:
    """From when to when the lanes of a site go, and the hours over them."""

    begin: datetime
    end: datetime
    ticks: tuple[Tick, ...]

    def x(self, at: datetime) -> float:
        """Place of a moment, at the edge if it is outside."""
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(share * WIDTH, 1)


@dataclass(frozen=True)
class Lane:
    """One lamp's night, drawn and in words."""

    bars: tuple[Bar, ...]
    words: str


def scale_of(nights: Sequence[dict[str, Any]], zone: ZoneInfo) -> Scale | None:
    """The hours that all lanes of a site share; None when no night was told."""
    begins = [night["dark_from_t"] for night in nights if night["dark_from_t"] is not None]
    ends = [night["dark_to_t"] for night in nights if night["dark_to_t"] is not None]
    if not begins:
        return None
    begin, end = min(begins) - _MARGIN, max(ends) + _MARGIN
    bare = Scale(begin, end, ())
    hour = begin.astimezone(zone).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    ticks = []
    while hour < end:
        if hour.hour % 3 == 0:
            ticks.append(Tick(bare.x(hour), f"{hour:%H}"))
        hour = (hour.astimezone(begin.tzinfo) + timedelta(hours=1)).astimezone(zone)
    return Scale(begin, end, tuple(ticks))


def lane(night: dict[str, Any], scale: Scale, zone: ZoneInfo) -> Lane:
    """One lamp's night on the site's scale."""
    spans: list[tuple[str, datetime, datetime]] = []
    if night["dark_from_t"] is not None:
        spans.append(("night", night["dark_from_t"], night["dark_to_t"]))
    for kind in ("lit", "dark"):
        spans += [(kind, r.lower, r.upper) for r in night[kind]]
    bars = [
        Bar(kind, scale.x(begin), max(round(scale.x(end) - scale.x(begin), 1), 1))
        for kind, begin, end in spans
        if begin < scale.end and end > scale.begin
    ]
    return Lane(tuple(bars), _words(night, zone))


def _words(night: dict[str, Any], zone: ZoneInfo) -> str:
    def hours(kind: str) -> float:
        total = sum((r.upper - r.lower for r in night[kind]), timedelta())
        return total / timedelta(hours=1)

    if not night["coverage"]:
        return "nothing was measured in the dark hours"
    lit, dark = hours("lit"), hours("dark")
    said = [f"lit {lit:.1f} h" if lit else "never told lit"]
    if dark >= 0.1:
        said.append(f"dark {dark:.1f} h")
    for name, word in (("on_t", "on"), ("off_t", "off")):
        if night[name] is not None:
            said.append(f"{word} {night[name].astimezone(zone):%H:%M}")
    said.append(f"{night['coverage']:.0%} of the dark hours measured")
    return ", ".join(said)
