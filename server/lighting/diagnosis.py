"""A site's lamps, diagnosed: every lamp by itself, then what only neighbours can tell.

State is data and dated memory. A full run starts from empty memories; a run over the last nights
starts from the memories that stood before them and reads these nights alike (tested).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.lighting.burning import Burning
from server.lighting.cycling import Cycling
from server.lighting.depreciation import LowLevel, freed, low_levels
from server.lighting.episodes import Episode, Kind
from server.lighting.feeder import LampOutage, together
from server.lighting.lamp_nights import LampMemory, LampNights, read_lamp
from server.lighting.night_grid import MIDNIGHT, MINUTES, NightGrid, laid_out, night_grid
from server.lighting.outages import (
    Outage,
    explained_by_switching,
    seen_lit_at_dusk,
    too_short_at_an_edge,
)
from server.lighting.switching import LATE_MIN, NIGHTS_TO_OPEN, SwitchingFault

_LEAST_NIGHT_MIN = 45
"""Shorter darkness than this is no night to judge a lamp by."""
_SHOWN_MIN = 20
"""A missing step is known to be missing this long after it was due."""
_BESIDE_CYCLING_NIGHTS = 3


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One node's lux in order of time."""

    t_s: NDArray[np.int64]
    lux: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Episodes in order of their begin, and where nothing can be said."""

    episodes: list[Episode]
    no_night: list[tuple[int, int]]
    """UTC second spans of nights in which the sun doesn't sink under -6 deg (for long enough)."""
    never_lit: list[str]
    """Nodes at which no switching lamp was recognised, so that nothing can be said."""


def diagnose(
    samples: Mapping[str, Samples],
    lat_deg: float,
    lon_deg: float,
    *,
    feeders: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda node: None,
) -> Diagnosis:
    """Diagnose one site's lamps from all its samples.

    Args:
        samples: By node. All are taken for neighbours.
        lat_deg: Of the site, north positive; lon_deg east positive.
        feeders: Feeder by node; without it all nodes hang on one.
        progress: Called with each node before it is read.
    """
    used = {node: one for node, one in samples.items() if one.t_s.size}
    if not used:
        return Diagnosis(episodes=[], no_night=[], never_lit=sorted(samples))
    first_s = min(int(one.t_s.min()) for one in used.values())
    last_s = max(int(one.t_s.max()) for one in used.values())
    grid = night_grid(first_s, last_s, lat_deg, lon_deg)
    lamps: dict[str, LampNights] = {}
    for node in sorted(used):
        progress(node)
        lamps[node] = read_lamp(grid, laid_out(grid, used[node].t_s, used[node].lux), LampMemory())
    episodes = site_episodes(grid, lamps, feeders)
    return Diagnosis(
        episodes=episodes,
        no_night=_no_night(grid),
        never_lit=[node for node, lamp in lamps.items() if not lamp.learned]
        + sorted(set(samples) - set(used)),
    )


def site_episodes(
    grid: NightGrid, lamps: Mapping[str, LampNights], feeders: Mapping[str, str] | None
) -> list[Episode]:
    """All episodes of lamps that are neighbours."""
    found = _outage_episodes(grid, lamps, feeders)
    levels = _levels(lamps)
    for node, lamp in lamps.items():
        found += [_switching(grid, node, fault) for fault in lamp.switching]
        found += [_burning(grid, node, fault) for fault in lamp.burning]
        found += [_cycling(grid, node, fault) for fault in lamp.cycling]
        found += [_low_level(grid, node, fault) for fault in levels[node]]
    return sorted(found, key=lambda one: (one.from_s, one.node, one.kind))


def _levels(lamps: Mapping[str, LampNights]) -> dict[str, list[LowLevel]]:
    ratio = np.array([lamp.ratio_log for lamp in lamps.values()], dtype=np.float64)
    gain = np.array([lamp.gain_log for lamp in lamps.values()], dtype=np.float64)
    levels, domes = freed(ratio, gain)
    return {
        node: low_levels(level, dome)
        for node, level, dome in zip(lamps, levels, domes, strict=True)
    }


def _outage_episodes(
    grid: NightGrid, lamps: Mapping[str, LampNights], feeders: Mapping[str, str] | None
) -> list[Episode]:
    sections: dict[str, list[str]] = {}
    for node, lamp in lamps.items():
        if lamp.learned:
            sections.setdefault((feeders or {}).get(node, ""), []).append(node)
    episodes = []
    for nodes in sections.values():
        real = [one for node in nodes for one in _own_outages(node, lamps[node])]
        groups = together(real, len(nodes))
        grouped = {id(one) for group in groups for one in group}
        for group in groups:
            names = tuple(one.node for one in group)
            episodes += [_outage(grid, one, lamps[one.node], names) for one in group]
        episodes += [
            _outage(grid, one, lamps[one.node], ())
            for one in real
            if id(one) not in grouped and not too_short_at_an_edge(one.outage)
        ]
    return episodes


def _own_outages(node: str, lamp: LampNights) -> list[LampOutage]:
    out = []
    for outage in lamp.outages:
        if explained_by_switching(outage, lamp.switching) or _beside_cycling(outage, lamp):
            continue
        first = outage.first
        not_after = first.night * MINUTES + first.begin
        last = outage.last_lit
        before = not_after - MINUTES if last is None else last[0] * MINUTES + last[1]
        out.append(LampOutage(node=node, outage=outage, not_before=before, not_after=not_after))
    return out


def _beside_cycling(outage: Outage, lamp: LampNights) -> bool:
    """A drop or two around nights of cycling belong to them."""
    near = _BESIDE_CYCLING_NIGHTS
    return len(outage.runs) == 1 and outage.dark_min < 60 and any(
        fault.nights[0].night - near <= outage.first.night <= fault.nights[-1].night + near
        for fault in lamp.cycling
    )  # fmt: skip


def _outage(
    grid: NightGrid, one: LampOutage, lamp: LampNights, section: tuple[str, ...]
) -> Episode:
    outage, first = one.outage, one.outage.first
    fell = first.lit_before is not None
    evidence: dict[str, float | int | str] = {
        "dark_min": outage.dark_min,
        "nights": len(outage.runs),
        "began": "went dark in the night" if fell else "did not come on",
    }
    if outage.last_lit is not None:
        evidence["last_lit"] = grid.time_s(*outage.last_lit)
    to_s = None
    if outage.relit is not None:
        night, minute = outage.relit
        dusk = seen_lit_at_dusk(lamp.judged).get(night, minute)
        same_night = night == outage.runs[-1].night
        to_s = grid.time_s(night, minute if same_night else min(minute, dusk))
    return Episode(
        node=one.node,
        kind=Kind.FEEDER if section else Kind.LAMP_FAILURE,
        from_s=grid.time_s(first.night, first.begin),
        to_s=to_s,
        raised_s=grid.time_s(max(first.night, lamp.first_known), first.raised),
        confidence=0.99 if section else (0.97 if fell else 0.93),
        evidence=evidence,
        closed_by=None if to_s is None else "lit again",
        lamps=section,
    )


def _switching(grid: NightGrid, node: str, fault: SwitchingFault) -> Episode:
    first, last = fault.judged[0], fault.judged[-1]
    third = fault.judged[NIGHTS_TO_OPEN - 1]
    spans = [_span(one.expected, one.edge.minute) for one in (first, third, last)]
    seen = [one.deviation_min for one in fault.judged if one.deviation_min is not None]
    evidence: dict[str, float | int | str] = {
        "edge": "on" if fault.evening else "off",
        "nights": len(fault.judged),
    }
    if seen:
        evidence["median_deviation_min"] = float(np.median(seen))
    else:
        evidence["step"] = "none at the usual time; it fell into daylight"
    return Episode(
        node=node,
        kind=Kind.SWITCHING_LATE if fault.late else Kind.SWITCHING_EARLY,
        from_s=grid.time_s(first.edge.night, spans[0][0]),
        to_s=None if fault.closed_by is None else grid.time_s(last.edge.night, spans[2][1]),
        raised_s=grid.time_s(third.edge.night, spans[1][1] + LATE_MIN),
        confidence=0.95 if seen else 0.8,
        evidence=evidence,
        closed_by=None if fault.closed_by is None else "switched as usual",
    )


def _span(expected: int | None, minute: int | None) -> tuple[int, int]:
    known = [at for at in (expected, minute) if at is not None]
    return min(known), max(known)


def _burning(grid: NightGrid, node: str, fault: Burning) -> Episode:
    first, certain = fault.missed[0], fault.raised
    assert first.expected is not None
    assert certain.expected is not None
    # Missed at dusk first: it came on at some moment of the day before.
    begin = 0 if first.edge.evening else first.expected
    to_s = None
    if (by := fault.closed_by) is not None:
        off_by_day = by.edge.evening
        end = 0 if off_by_day else by.edge.minute or MIDNIGHT
        to_s = grid.time_s(by.edge.night, end)
    return Episode(
        node=node,
        kind=Kind.UNEXPECTED_ON,
        from_s=grid.time_s(first.edge.night, begin),
        to_s=to_s,
        raised_s=grid.time_s(certain.edge.night, certain.expected + _SHOWN_MIN),
        confidence=0.95 if len(fault.missed) > 2 else 0.88,
        evidence={"missed_switchings": len(fault.missed)},
        closed_by=None if to_s is None else "switched again",
    )


def _cycling(grid: NightGrid, node: str, fault: Cycling) -> Episode:
    first, last = fault.nights[0], fault.nights[-1]
    return Episode(
        node=node,
        kind=Kind.CYCLING,
        from_s=grid.time_s(first.night, first.begin),
        to_s=None if fault.closed_night is None else grid.time_s(last.night, last.end),
        raised_s=grid.time_s(first.night, first.raised),
        confidence=0.95,
        evidence={
            "nights": len(fault.nights),
            "off_on_pairs": sum(night.pairs for night in fault.nights),
        },
        closed_by=None if fault.closed_night is None else "steady for three nights",
    )


def _low_level(grid: NightGrid, node: str, fault: LowLevel) -> Episode:
    closed = fault.closed_night is not None
    return Episode(
        node=node,
        kind=Kind.LEVEL_LOW,
        from_s=grid.time_s(fault.first_night, MIDNIGHT),
        to_s=grid.time_s(fault.last_night, MIDNIGHT) if closed else None,
        raised_s=grid.time_s(fault.raised_night, MINUTES - 1),
        confidence=0.9,
        evidence={"worst_level_of_commissioning": round(fault.worst, 3)},
        closed_by="level recovered" if closed else None,
    )


def _no_night(grid: NightGrid) -> list[tuple[int, int]]:
    bright = grid.is_night.sum(axis=1) < _LEAST_NIGHT_MIN
    change = np.diff(np.concatenate([[False], bright, [False]]).astype(np.int8))
    return [
        (grid.time_s(int(begin), 0), grid.time_s(int(end), 0))
        for begin, end in zip(
            np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True
        )
    ]
