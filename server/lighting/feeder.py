"""Section faults: lamps of one feeder that fell together.

Each outage began somewhere between the last lit and the first dark minute. A lamp that went dark
in the night has minutes between them, one that failed by day the whole day. Outages that can have
begun in the same moment, of enough neighbours, are one fault of the supply; chance does that to
single lamps less than once in a century of a site.
"""

from dataclasses import dataclass

from server.lighting.outages import Outage

CLOCKS_MIN = 3
LEAST_LAMPS = 3
LEAST_SHARE = 0.5
TIGHT_MIN = 8
"""Lamps seen lit and dark within this long went out together, if they did in the same minutes."""


@dataclass(frozen=True, kw_only=True)
class LampOutage:
    """An outage with its lamp, and when it can have begun, in minutes since the grid's start."""

    node: str
    outage: Outage
    not_before: int
    not_after: int


def together(found: list[LampOutage], watched: int) -> list[list[LampOutage]]:
    """Groups of outages that began together, among `watched` neighbours of one feeder.

    A group needs three lamps; two if they are half of those watched, or went out in the night
    within the same minutes: lamps fail once in years, so two don't by chance.
    """
    left = sorted(found, key=lambda one: (one.not_after - one.not_before, one.not_after))
    groups = []
    while left:
        seed = left[0]
        group = [one for one in left if _can_be_one(seed, one)]
        # Nodes of the group must be different lamps: one lamp failing twice is no section.
        group = list({one.node: one for one in reversed(group)}.values())
        if _enough(group, watched):
            groups.append(sorted(group, key=lambda one: one.node))
            left = [one for one in left if one not in group]
        else:
            left = left[1:]
    return groups


def _can_be_one(seed: LampOutage, other: LampOutage) -> bool:
    return (
        other.not_before - CLOCKS_MIN <= seed.not_after
        and seed.not_before - CLOCKS_MIN <= other.not_after
    )


def _enough(group: list[LampOutage], watched: int) -> bool:
    if len(group) >= LEAST_LAMPS:
        return True
    if len(group) < 2:
        return False
    in_one_minute = all(one.not_after - one.not_before <= TIGHT_MIN for one in group)
    return in_one_minute or len(group) / watched >= LEAST_SHARE
