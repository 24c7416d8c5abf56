"""Faults of lamps that are neighbours, as episodes in an engineer's words and times."""

from collections.abc import Mapping

import numpy as np

from server.lighting.cycling import Cycling
from server.lighting.depreciation import LowLevel
from server.lighting.episodes import Episode, Kind
from server.lighting.feeder import LampOutage, together
from server.lighting.habit import JudgedEdge, Way
from server.lighting.lamp_nights import LampFaults, LampNights
from server.lighting.night_grid import MIDNIGHT, MINUTES, Calendar
from server.lighting.outages import (
    Outage,
    explained_by_switching,
    seen_lit_at_dusk,
    too_short_at_an_edge,
)
from server.lighting.switching import WayFault

_SHOWN_MIN = 20
"""A missing step is known to be missing this long after it was due."""
_BESIDE_CYCLING_NIGHTS = 3


def lamp_episodes(
    calendar: Calendar,
    lamps: Mapping[str, LampNights],
    faults: Mapping[str, LampFaults],
    levels: Mapping[str, list[LowLevel]],
    feeders: Mapping[str, str] | None,
) -> list[Episode]:
    """All episodes of lamps that are neighbours, in order of their begin."""
    found = _outage_episodes(calendar, lamps, faults, feeders)
    for node, own in faults.items():
        found += [_way(calendar, node, fault) for fault in own.ways]
        found += [_cycling(calendar, node, fault) for fault in own.cycling]
        found += [_low_level(calendar, node, fault) for fault in levels[node]]
    return sorted(found, key=lambda one: (one.from_s, one.node, one.kind))


def _outage_episodes(
    calendar: Calendar,
    lamps: Mapping[str, LampNights],
    faults: Mapping[str, LampFaults],
    feeders: Mapping[str, str] | None,
) -> list[Episode]:
    sections: dict[str, list[str]] = {}
    for node, lamp in lamps.items():
        if lamp.learned:
            sections.setdefault((feeders or {}).get(node, ""), []).append(node)
    episodes = []
    for nodes in sections.values():
        real = [one for node in nodes for one in _own_outages(node, faults[node])]
        groups = together(real, len(nodes))
        grouped = {id(one) for group in groups for one in group}
        for group in groups:
            names = tuple(one.node for one in group)
            episodes += [_outage(calendar, one, lamps[one.node], names) for one in group]
        episodes += [
            _outage(calendar, one, lamps[one.node], ())
            for one in real
            if id(one) not in grouped and not too_short_at_an_edge(one.outage)
        ]
    return episodes


def _own_outages(node: str, faults: LampFaults) -> list[LampOutage]:
    out = []
    for outage in faults.outages:
        if explained_by_switching(outage, faults.ways) or _beside_cycling(outage, faults):
            continue
        first = outage.first
        not_after = first.night * MINUTES + first.begin
        last = outage.last_lit
        before = not_after - MINUTES if last is None else last[0] * MINUTES + last[1]
        out.append(LampOutage(node=node, outage=outage, not_before=before, not_after=not_after))
    return out


def _beside_cycling(outage: Outage, faults: LampFaults) -> bool:
    """A drop or two around nights of cycling belong to them."""
    near = _BESIDE_CYCLING_NIGHTS
    return len(outage.runs) == 1 and outage.dark_min < 60 and any(
        fault.nights[0].night - near <= outage.first.night <= fault.nights[-1].night + near
        for fault in faults.cycling
    )  # fmt: skip


def _outage(
    calendar: Calendar, one: LampOutage, lamp: LampNights, section: tuple[str, ...]
) -> Episode:
    outage, first = one.outage, one.outage.first
    fell = first.lit_before is not None
    evidence: dict[str, float | int | str] = {
        "dark_min": outage.dark_min,
        "nights": len(outage.runs),
        "began": "went dark in the night" if fell else "did not come on",
    }
    if outage.last_lit is not None:
        evidence["last_lit"] = calendar.time_s(*outage.last_lit)
    to_s = None
    if outage.relit is not None:
        night, minute = outage.relit
        dusk = seen_lit_at_dusk(lamp.judged).get(night, minute)
        same_night = night == outage.runs[-1].night
        to_s = calendar.time_s(night, minute if same_night else min(minute, dusk))
    return Episode(
        node=one.node,
        kind=Kind.FEEDER if section else Kind.LAMP_FAILURE,
        from_s=calendar.time_s(first.night, first.begin),
        to_s=to_s,
        raised_s=calendar.time_s(max(first.night, lamp.first_known), first.raised),
        confidence=0.99 if section else (0.97 if fell else 0.93),
        evidence=evidence,
        closed_by=None if to_s is None else "lit again",
        lamps=section,
    )


_WAYS = {
    Way.EARLY_ON: (Kind.SWITCHING_EARLY, "on"),
    Way.LATE_ON: (Kind.SWITCHING_LATE, "on"),
    Way.EARLY_OFF: (Kind.SWITCHING_EARLY, "off"),
    Way.LATE_OFF: (Kind.SWITCHING_LATE, "off"),
}


def _way(calendar: Calendar, node: str, fault: WayFault) -> Episode:
    if fault.way is Way.BURNING:
        return _burning(calendar, node, fault)
    kind, edge = _WAYS[fault.way]
    own = fault.speaking
    first, last = _span(own[0]), _span(own[-1])
    seen = [one.deviation_min for one in own if one.deviation_min is not None]
    evidence: dict[str, float | int | str] = {"edge": edge, "nights": len(own)}
    if seen:
        evidence["median_deviation_min"] = float(np.median(seen))
    else:
        evidence["step"] = "none at the usual time; it fell into daylight"
    raised = fault.raised
    return Episode(
        node=node,
        kind=kind,
        from_s=calendar.time_s(own[0].edge.night, first[0]),
        to_s=None if fault.closed_by is None else calendar.time_s(own[-1].edge.night, last[1]),
        raised_s=calendar.time_s(raised.edge.night, _span(raised)[1] + _SHOWN_MIN),
        confidence=0.95 if seen else 0.85,
        evidence=evidence,
        closed_by=None if fault.closed_by is None else "switched as usual",
    )


def _span(one: JudgedEdge) -> tuple[int, int]:
    known = [at for at in (one.expected, one.edge.minute) if at is not None]
    return min(known), max(known)


def _burning(calendar: Calendar, node: str, fault: WayFault) -> Episode:
    own = fault.speaking
    first, by = own[0], fault.closed_by
    assert first.expected is not None
    assert fault.raised.expected is not None
    # Missed at dusk first: it came on at some moment of the day before.
    begin = 0 if first.edge.evening else first.expected
    to_s = None
    if by is not None:
        # Switched on at dusk: it went off by day. Off at dawn: it burned until then.
        end = 0 if by.edge.evening else by.edge.minute or MIDNIGHT
        to_s = calendar.time_s(by.edge.night, end)
    return Episode(
        node=node,
        kind=Kind.UNEXPECTED_ON,
        from_s=calendar.time_s(first.edge.night, begin),
        to_s=to_s,
        raised_s=calendar.time_s(fault.raised.edge.night, fault.raised.expected + _SHOWN_MIN),
        confidence=0.95 if len(own) > 2 else 0.88,
        evidence={"missed_switchings": len(own)},
        closed_by=None if to_s is None else "switched again",
    )


def _cycling(calendar: Calendar, node: str, fault: Cycling) -> Episode:
    first, last = fault.nights[0], fault.nights[-1]
    return Episode(
        node=node,
        kind=Kind.CYCLING,
        from_s=calendar.time_s(first.night, first.begin),
        to_s=None if fault.closed_night is None else calendar.time_s(last.night, last.end),
        raised_s=calendar.time_s(first.night, first.raised),
        confidence=0.95,
        evidence={
            "nights": len(fault.nights),
            "off_on_pairs": sum(night.pairs for night in fault.nights),
        },
        closed_by=None if fault.closed_night is None else "steady for three nights",
    )


def _low_level(calendar: Calendar, node: str, fault: LowLevel) -> Episode:
    closed = fault.closed_night is not None
    return Episode(
        node=node,
        kind=Kind.LEVEL_LOW,
        from_s=calendar.time_s(fault.first_night, MIDNIGHT),
        to_s=calendar.time_s(fault.last_night, MIDNIGHT) if closed else None,
        raised_s=calendar.time_s(fault.raised_night, MINUTES - 1),
        confidence=0.9,
        evidence={"worst_level_of_commissioning": round(fault.worst, 3)},
        closed_by="level recovered" if closed else None,
    )
