"""One site's lamps from minute to minute: each record in, each lamp's state out, in milliseconds.

The two newest nights are read anew with every record, from the memory that stood before them; what
the nights before said is kept as numbers. So a watch says at any moment what a full run over all
samples would say (tested), whatever order the records of these two nights come in.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from server.errors import MslError
from server.lighting.depreciation import LowLevel
from server.lighting.diagnosis import Diagnosis, Neighbours, Samples, levels, told
from server.lighting.episodes import Episode, Kind
from server.lighting.lamp_episodes import lamp_episodes
from server.lighting.lamp_nights import LampFaults, LampMemory, LampNights, lamp_faults, read_lamp
from server.lighting.night_grid import MINUTES, Calendar, Lux, NightGrid, laid_out, night_grid

_OPEN_NIGHTS = 2
_DAY_S = 86_400
_STALE_S = 15 * 60
"""A lamp whose last record is older than its neighbours' newest by this says nothing now."""


class HistoryNeeded(MslError):
    """A watch can't go on from what it keeps: start it anew from the site's samples."""


class LampState(StrEnum):
    """What a lamp does now."""

    LIT = "lit"
    OUT = "out"
    DAY = "day"
    UNKNOWN = "can't tell"
    NO_DATA = "no data"


@dataclass(frozen=True, kw_only=True)
class LampNow:
    """One lamp at its last record."""

    node: str
    at_s: int
    state: LampState
    since_s: int | None
    """From when on the samples said so without a break, within the newest nights."""
    open: tuple[Kind, ...]
    """Faults that last."""


@dataclass(kw_only=True)
class _Lamp:
    """What is kept of one lamp."""

    memory: LampMemory
    """As it stood before the open nights."""
    first: int
    """Number of its first open night."""
    past: LampNights | None
    """All nights before the open ones."""
    before: Lux | None
    """(1, 1440) the night before the open ones."""
    lux: Lux
    """(open nights, 1440)"""
    last_s: int
    newest: LampNights | None = None
    """All nights, the open ones included; None: to be read."""
    faults: LampFaults | None = None
    """By itself; None: to be told."""


@dataclass(kw_only=True)
class SiteWatch:
    """One site's lamps; make it by `start`."""

    lat_deg: float
    lon_deg: float
    neighbours: Neighbours
    calendar: Calendar
    dark_min: NDArray[np.int64]
    """(nights,) minutes of sun under -6 deg of all nights so far."""
    grid: NightGrid
    """Of the nights that are open for some lamp."""
    lamps: dict[str, _Lamp]
    _episodes: list[Episode] | None = None
    _levels: tuple[bytes, dict[str, list[LowLevel]]] | None = None
    """What was read from, and what was told."""

    @classmethod
    def start(
        cls,
        samples: Mapping[str, Samples],
        lat_deg: float,
        lon_deg: float,
        *,
        feeders: Mapping[str, str] | None = None,
        commissioned_lx: Mapping[str, float] | None = None,
    ) -> "SiteWatch":
        """Read all samples so far. Arguments as `diagnose`.

        Raises:
            HistoryNeeded: No lamp has samples yet.
        """
        used = {node: one for node, one in samples.items() if one.t_s.size}
        if not used:
            raise HistoryNeeded("no samples of any lamp of this site; start it with its first ones")
        grid = night_grid(
            min(int(one.t_s[0]) for one in used.values()),
            max(int(one.t_s[-1]) for one in used.values()),
            lat_deg,
            lon_deg,
        )
        watch = cls(
            lat_deg=lat_deg, lon_deg=lon_deg,
            neighbours=Neighbours(feeders=feeders, commissioned_lx=commissioned_lx),
            calendar=grid.calendar, dark_min=grid.is_night.sum(axis=1), grid=grid, lamps={},
        )  # fmt: skip
        for node in sorted(used):
            lux = laid_out(grid, used[node].t_s, used[node].lux)
            lamp = _Lamp(memory=LampMemory(), first=0, past=None, before=None, lux=lux,
                         last_s=int(used[node].t_s[-1]))  # fmt: skip
            watch.lamps[node] = lamp
            watch._close(lamp)
        watch._forget_grid()
        return watch

    @property
    def nights(self) -> int:
        """All nights so far."""
        return int(self.dark_min.size)

    def take(self, node: str, t_s: NDArray[np.int64], lux: NDArray[np.float32]) -> LampNow:
        """Take in new samples of one lamp and say what it does now.

        Raises:
            HistoryNeeded: Samples of nights that are no longer kept, or of a new lamp.
        """
        if node not in self.lamps:
            raise HistoryNeeded(f"{node}: not seen at this site before; start its watch anew")
        if t_s.size == 0:
            return self.now(node)
        self._open_until(int(t_s.max()))
        lamp = self.lamps[node]
        grid = self._open(lamp)
        if int(t_s.min()) < grid.start_s:
            raise HistoryNeeded(
                f"{node}: samples of before its newest nights; start its site's watch anew"
            )
        order = np.argsort(t_s, kind="stable")
        new = laid_out(grid, t_s[order], lux[order])
        known = np.isfinite(new)
        lamp.lux[known] = new[known]
        lamp.last_s = max(lamp.last_s, int(t_s.max()))
        lamp.newest = lamp.faults = self._episodes = None
        return self.now(node)

    def diagnosis(self) -> Diagnosis:
        """What a full run over all samples so far would say."""
        lamps = {node: self._read(lamp) for node, lamp in self.lamps.items()}
        return told(self.calendar, self.dark_min, lamps, self.neighbours)

    def episodes(self) -> list[Episode]:
        """The diagnosis' episodes, told anew only where something changed."""
        if self._episodes is None:
            lamps = {node: self._read(lamp) for node, lamp in self.lamps.items()}
            faults = {node: self._told(lamp) for node, lamp in self.lamps.items()}
            self._episodes = lamp_episodes(
                self.calendar, lamps, faults, self._low(lamps), self.neighbours.feeders
            )
        return self._episodes

    def now(self, node: str) -> LampNow:
        """What a lamp does by its last record."""
        lamp = self.lamps[node]
        state, since_s = self._state(lamp)
        newest_s = max(one.last_s for one in self.lamps.values())
        if newest_s - lamp.last_s > _STALE_S:
            state, since_s = LampState.NO_DATA, lamp.last_s
        faults = {one.kind for one in self.episodes() if one.node == node and one.to_s is None}
        return LampNow(node=node, at_s=lamp.last_s, state=state, since_s=since_s,
                       open=tuple(sorted(faults)))  # fmt: skip

    def _state(self, lamp: _Lamp) -> tuple[LampState, int | None]:
        night, minute = divmod((lamp.last_s - self.calendar.start_s) // 60, MINUTES)
        view = self._read(lamp).views[night]
        for state, spans in ((LampState.LIT, view.lit), (LampState.OUT, view.dark)):
            for begin, end in spans:
                if begin <= minute < end:
                    return state, self.calendar.time_s(night, begin)
        open_night = night - (self.nights - self.grid.nights)
        by_day = not self.grid.is_night[open_night, minute]
        return (LampState.DAY if by_day else LampState.UNKNOWN), None

    def _open(self, lamp: _Lamp) -> NightGrid:
        """The grid of a lamp's open nights."""
        return self.grid.rows(lamp.first - (self.nights - self.grid.nights), self.grid.nights)

    def _read(self, lamp: _Lamp) -> LampNights:
        if lamp.newest is None:
            memory = copy.deepcopy(lamp.memory)
            newest = read_lamp(self._open(lamp), lamp.lux, memory, lamp.before)
            lamp.newest = newest if lamp.past is None else lamp.past.then(newest)
        return lamp.newest

    def _told(self, lamp: _Lamp) -> LampFaults:
        if lamp.faults is None:
            lamp.faults = lamp_faults(self._read(lamp))
        return lamp.faults

    def _low(self, lamps: Mapping[str, LampNights]) -> dict[str, list[LowLevel]]:
        read = b"".join(
            lamp.ratio_log.tobytes() + lamp.gain_log.tobytes() for lamp in lamps.values()
        )
        if self._levels is None or self._levels[0] != read:
            self._levels = read, levels(lamps, self.neighbours.commissioned_lx or {})[0]
        return self._levels[1]

    def _open_until(self, last_s: int) -> None:
        """Open the nights up to a moment and close those that are old then."""
        end_s = self.calendar.time_s(self.nights, 0)
        more = max((last_s - end_s) // _DAY_S + 1, 0)
        if not more:
            return
        self.grid = night_grid(
            self.grid.start_s, end_s + more * _DAY_S - 60, self.lat_deg, self.lon_deg
        )
        self.dark_min = np.concatenate([self.dark_min, self.grid.is_night[-more:].sum(axis=1)])
        empty = np.full((more, MINUTES), np.nan, dtype=np.float32)
        for lamp in self.lamps.values():
            lamp.lux = np.concatenate([lamp.lux, empty])
            lamp.newest = lamp.faults = None
            self._close(lamp)
        self._episodes = None
        self._forget_grid()

    def _close(self, lamp: _Lamp) -> None:
        """Keep a lamp's old nights as numbers alone, once it is known.

        Nights before that are judged in hindsight, so until then all stay open.
        """
        nights = lamp.lux.shape[0] - _OPEN_NIGHTS
        if nights <= 0:
            return
        memory = copy.deepcopy(lamp.memory)
        own, after = lamp.lux[:nights], lamp.lux[nights : nights + 1]
        read = read_lamp(self._open(lamp).rows(0, nights), own, memory, lamp.before, after)
        if not read.learned:
            return
        lamp.past = read if lamp.past is None else lamp.past.then(read)
        lamp.before, lamp.lux = own[-1:].copy(), lamp.lux[nights:].copy()
        lamp.memory, lamp.first = memory, lamp.first + nights
        lamp.newest = lamp.faults = None

    def _forget_grid(self) -> None:
        first = min(lamp.first for lamp in self.lamps.values())
        self.grid = self.grid.rows(first - (self.nights - self.grid.nights), self.grid.nights)
