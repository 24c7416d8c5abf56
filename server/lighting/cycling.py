"""Cycling lamps: nights of cycling close to each other are one fault."""

from dataclasses import dataclass

from server.lighting.outages import CyclingNight

QUIET_NIGHTS = 3
"""A cycling lamp that held for this many judged nights is called well again."""


@dataclass(frozen=True, kw_only=True)
class Cycling:
    """One lamp's cycling, by its nights in order."""

    nights: tuple[CyclingNight, ...]
    closed_night: int | None
    """The judged night that ended the wait; None: may go on."""

    def covers(self, night: int) -> bool:
        return self.nights[0].night <= night <= self.nights[-1].night


def cyclings(found: list[CyclingNight], judged_nights: list[int]) -> list[Cycling]:
    """Group cycling nights; `judged_nights` are all nights that could be judged, in order."""
    place = {night: index for index, night in enumerate(judged_nights)}
    groups: list[list[CyclingNight]] = []
    for one in found:
        if groups and place[one.night] - place[groups[-1][-1].night] <= QUIET_NIGHTS:
            groups[-1].append(one)
        else:
            groups.append([one])
    out = []
    for group in groups:
        end = place[group[-1].night] + QUIET_NIGHTS
        closed = judged_nights[end] if end < len(judged_nights) else None
        out.append(Cycling(nights=tuple(group), closed_night=closed))
    return out
