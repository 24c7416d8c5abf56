"""A site's lamps, diagnosed: every lamp by itself, then what only neighbours can tell.

Lux becomes a few hundred numbers a lamp and night (`LampNights`), and these alone become faults,
so that a service may keep them, go on from them, and say what a full run would say (tested).
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from server.lighting.depreciation import LowLevel, freed, low_levels
from server.lighting.episodes import Episode
from server.lighting.habit import LEAST_NIGHT_MIN, JudgedEdge
from server.lighting.lamp_episodes import lamp_episodes
from server.lighting.lamp_night import LampNight, lamp_night
from server.lighting.lamp_nights import LampMemory, LampNights, lamp_faults, read_lamp
from server.lighting.night_grid import Calendar, NightGrid, laid_out, night_grid

_FIRST_NIGHTS = 14


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One node's lux in order of time; NaN is a gap."""

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
    nights: dict[str, list[LampNight]]
    """By node, for people and for indicators."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What is known of the lamps of one site, and on what it depends beside their light."""

    feeders: Mapping[str, str] | None = None
    """Feeder by node; without it all nodes hang on one."""
    commissioned_lx: Mapping[str, float] | None = None
    """Night level at commissioning; without it the first nights are taken for it."""


def diagnose(
    samples: Mapping[str, Samples],
    lat_deg: float,
    lon_deg: float,
    *,
    feeders: Mapping[str, str] | None = None,
    commissioned_lx: Mapping[str, float] | None = None,
    workers: int = 1,
    progress: Callable[[str], None] = lambda node: None,
) -> Diagnosis:
    """Diagnose one site's lamps from all its samples.

    Args:
        samples: By node. All are taken for neighbours.
        lat_deg: Of the site, north positive; lon_deg east positive.
        feeders: Feeder by node; without it all nodes hang on one.
        commissioned_lx: Night level (upper quartile) at commissioning, by node.
        workers: Processes that read lamps; 1 reads them here.
        progress: Called with each node when it has been read.
    """
    used = {node: one for node, one in samples.items() if one.t_s.size}
    if not used:
        return Diagnosis(episodes=[], no_night=[], never_lit=sorted(samples), nights={})
    grid = night_grid(
        min(int(one.t_s[0]) for one in used.values()),
        max(int(one.t_s[-1]) for one in used.values()),
        lat_deg,
        lon_deg,
    )
    lamps: dict[str, LampNights] = {}
    for node, lamp in zip(sorted(used), _read_all(grid, used, workers), strict=True):
        lamps[node] = lamp
        progress(node)
    found = told(
        grid.calendar, grid.is_night.sum(axis=1), lamps,
        Neighbours(feeders=feeders, commissioned_lx=commissioned_lx),
    )  # fmt: skip
    found.never_lit.extend(sorted(set(samples) - set(used)))
    return found


def _read_all(grid: NightGrid, used: Mapping[str, Samples], workers: int) -> list[LampNights]:
    in_order = [used[node] for node in sorted(used)]
    if workers < 2 or len(used) < 2:
        return [_read(grid, one) for one in in_order]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(partial(_read, grid), in_order, chunksize=4))


def _read(grid: NightGrid, samples: Samples) -> LampNights:
    return read_lamp(grid, laid_out(grid, samples.t_s, samples.lux), LampMemory())


def told(
    calendar: Calendar,
    dark_min: NDArray[np.int64],
    lamps: Mapping[str, LampNights],
    neighbours: Neighbours,
) -> Diagnosis:
    """Tell all episodes from what the nights of one site's lamps said.

    Args:
        dark_min: (nights,) minutes of sun under -6 deg.
        lamps: By node; all know the same nights.
    """
    faults = {node: lamp_faults(lamp) for node, lamp in lamps.items()}
    low, level_log = levels(lamps, neighbours.commissioned_lx or {})
    return Diagnosis(
        episodes=lamp_episodes(calendar, lamps, faults, low, neighbours.feeders),
        no_night=_no_night(calendar, dark_min),
        never_lit=[node for node, lamp in lamps.items() if not lamp.learned],
        nights={
            node: _nights(calendar, node, lamp, level_log[index])
            for index, (node, lamp) in enumerate(lamps.items())
        },
    )


def levels(
    lamps: Mapping[str, LampNights], commissioned_lx: Mapping[str, float]
) -> tuple[dict[str, list[LowLevel]], NDArray[np.float64]]:
    """Declines by node, and (lamps, nights) log levels freed of snow and dome."""
    ratio = np.array([lamp.ratio_log for lamp in lamps.values()], dtype=np.float64)
    gain = np.array([lamp.gain_log for lamp in lamps.values()], dtype=np.float64)
    level_log, domes = freed(ratio, gain)
    for index, (node, lamp) in enumerate(lamps.items()):
        if node in commissioned_lx:
            level_log[index] += _below_commissioning(lamp, commissioned_lx[node])
    found = {
        node: low_levels(level, dome)
        for node, level, dome in zip(lamps, level_log, domes, strict=True)
    }
    return found, level_log - domes


def _below_commissioning(lamp: LampNights, commissioned_lx: float) -> float:
    """Log of the first lit nights' level over the commissioning value; 0 if it isn't lower."""
    lit = np.flatnonzero(np.isfinite(lamp.ratio_log))[:_FIRST_NIGHTS]
    if lit.size == 0:
        return 0.0
    first_lx = float(np.median([lamp.views[night].level_lx for night in lit]))
    return min(0.0, float(np.log(first_lx / commissioned_lx)))


def _nights(
    calendar: Calendar, node: str, lamp: LampNights, level_log: NDArray[np.float64]
) -> list[LampNight]:
    edges: dict[int, dict[bool, JudgedEdge]] = {}
    for one in lamp.judged:
        edges.setdefault(one.edge.night, {})[one.edge.evening] = one
    return [
        lamp_night(
            node, calendar, view, edges.get(view.night, {}),
            float(np.exp(min(level, 0.5))) if np.isfinite(level := level_log[view.night]) else None,
        )
        for view in lamp.views
    ]  # fmt: skip


def _no_night(calendar: Calendar, dark_min: NDArray[np.int64]) -> list[tuple[int, int]]:
    bright = dark_min < LEAST_NIGHT_MIN
    change = np.diff(np.concatenate([[False], bright, [False]]).astype(np.int8))
    return [
        (calendar.time_s(int(begin), 0), calendar.time_s(int(end), 0))
        for begin, end in zip(
            np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True
        )
    ]
