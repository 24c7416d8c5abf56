"""Windows: pieces of measurement in, records out, cut where UTC is a multiple of the length.

Pieces come stamped with boot time, which never jumps; wall time is boot time plus an offset that
may. A step of the wall clock closes the open window where it happened (`PARTIAL`) and begins
another, so no record ever claims more time than passed, or time that another one has.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from contract.flags import Flag
from contract.limits import MAX_T_MS, MIN_T_MS
from contract.records import Record
from edge.clock import Clock

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

# The boot clock is slewed together with the wall clock, so only steps move them apart. Small ones
# add up until they matter.
STEP_S = 0.5
# Windows this close to the grid are on it.
GRID_SLACK_S = 0.001
# An hour without a piece or a tick (a suspended machine) is left as a gap without records.
LONGEST_GAP_S = 3600.0
# Stretches of wall time already reported that are remembered against a clock that goes back, and
# how much an earlier run is taken to have reported before its last record.
RUNS_KEPT = 16
EARLIER_RUN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Piece(Generic[T]):
    """A stretch of measurement: when it began on the boot clock, how long it was, what it gave."""

    start_boot_s: float
    seconds: float
    data: T


class Accumulator(Protocol[T_contra]):
    """Sums up one window."""

    def add(self, data: T_contra, seconds: float) -> None:
        """Take what one piece gave."""

    def record_fields(self) -> dict[str, Any]:
        """The record but `seq`, `t`, `dur_s`: `valid_s` 0 and nulls when nothing was measured."""


@dataclass(slots=True)
class _Window(Generic[T]):
    """The open window; wall times as believed when it was opened."""

    start_boot_s: float
    start_utc_s: float
    end_utc_s: float
    synced: bool
    content: Accumulator[T]

    @property
    def end_boot_s(self) -> float:
        return self.start_boot_s + (self.end_utc_s - self.start_utc_s)


@dataclass
class Windower(Generic[T]):
    """Cuts one stream into windows.

    Args:
        dur_s: Length of a whole window; divides a day.
        clock: The stream's clock.
        record_type: The stream's kind of record.
        new: Makes an empty accumulator.
        emit: Takes (record, its start on the boot clock if its time is not settled yet).
        covered_to_utc_s: Wall time up to which an earlier run has reported.
        splits: A piece over a window's end stands for both sides, each with its share of the time
            (a lux value); else it belongs where its middle lies (counts, a slot of sound).
        least_s: A window cut shorter than this says that nothing was measured, whatever was.
    """

    dur_s: float
    clock: Clock
    record_type: type[Record]
    new: Callable[[], Accumulator[T]]
    emit: Callable[[Record, float | None], None]
    covered_to_utc_s: float = 0.0
    splits: bool = False
    least_s: float = 0.0
    _open: _Window[T] | None = field(default=None, init=False)
    _offset_s: float = field(default=0.0, init=False)
    _seen_boot_s: float = field(default=0.0, init=False)
    _runs: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=RUNS_KEPT), init=False
    )

    def __post_init__(self) -> None:
        if self.covered_to_utc_s:
            self._runs.append((self.covered_to_utc_s - EARLIER_RUN_S, self.covered_to_utc_s))

    def begin(self, boot_s: float) -> None:
        """Open the first window; what is missing of it from here on counts as not measured."""
        self._offset_s = self._offset_now_s()
        self._seen_boot_s = boot_s
        self._open_at(boot_s)

    def add(self, piece: Piece[T]) -> None:
        """Take a piece; they come in order and don't overlap."""
        self.advance(piece.start_boot_s)
        edge_s = self._open.end_boot_s if self._open else piece.start_boot_s
        before_s = edge_s - piece.start_boot_s
        if self.splits and 0 < before_s < piece.seconds:
            self._add_whole(Piece(piece.start_boot_s, before_s, piece.data))
            self._add_whole(Piece(edge_s, piece.seconds - before_s, piece.data))
        else:
            self._add_whole(piece)

    def _add_whole(self, piece: Piece[T]) -> None:
        middle_s = piece.start_boot_s + piece.seconds / 2
        self.advance(middle_s)
        # After a step back the time until the end of what was reported is not measured again.
        if self._open is not None and middle_s >= self._open.start_boot_s:
            self._open.content.add(piece.data, piece.seconds)
        self._seen_boot_s = max(self._seen_boot_s, piece.start_boot_s + piece.seconds)

    def advance(self, boot_s: float) -> None:
        """Close every window that ended before `boot_s`, with or without anything in it."""
        if self._open is None:
            self.begin(boot_s)
        if abs(self._offset_now_s() - self._offset_s) > STEP_S:
            self._cut_at(self._seen_boot_s)
            self._offset_s = self._offset_now_s()
            self._open_at(self._seen_boot_s)
        if self._open is not None and boot_s - self._open.end_boot_s > LONGEST_GAP_S:
            self._cut_at(self._seen_boot_s)
            self._open_at(boot_s)
        while self._open is not None and boot_s >= self._open.end_boot_s:
            ended = self._open
            self._finish(ended, ended.end_utc_s - ended.start_utc_s)
            self._open_at(ended.end_boot_s, ended.end_utc_s)
        self._seen_boot_s = max(self._seen_boot_s, boot_s)

    def close(self) -> None:
        """End now: the open window is cut short."""
        self._cut_at(self._seen_boot_s)

    def _open_at(self, boot_s: float, utc_s: float | None = None) -> None:
        start_utc_s = boot_s + self._offset_s if utc_s is None else utc_s
        synced = self.clock.synced()
        ahead_s = self._reported_beyond_s(start_utc_s) if synced and utc_s is None else 0.0
        if GRID_SLACK_S < ahead_s <= self.dur_s:
            # A small step back: nothing is measured twice, the time until then is left out.
            boot_s += ahead_s
            start_utc_s += ahead_s
        grid = round(start_utc_s / self.dur_s)
        if abs(start_utc_s - grid * self.dur_s) > GRID_SLACK_S:
            grid = int(start_utc_s // self.dur_s)
        end_utc_s = (grid + 1) * self.dur_s
        self._open = _Window(boot_s, start_utc_s, end_utc_s, synced, self.new())

    def _cut_at(self, boot_s: float) -> None:
        """Close the open window early, if there is anything of it."""
        window, self._open = self._open, None
        if window is None:
            return
        dur_s = min(boot_s, window.end_boot_s) - window.start_boot_s
        if dur_s > GRID_SLACK_S:
            self._finish(window, dur_s)

    def _finish(self, window: _Window[T], dur_s: float) -> None:
        dur_s = round(dur_s, 3)
        content = window.content if dur_s >= self.least_s else self.new()
        fields = content.record_fields()
        fields["valid_s"] = min(fields["valid_s"], dur_s)
        flags = [*fields.pop("flags"), *self._flags(window, dur_s)]
        if window.synced:
            self._note_run(window.start_utc_s, window.start_utc_s + dur_s)
        t_ms = min(max(round(window.start_utc_s * 1000), MIN_T_MS), MAX_T_MS)
        record = self.record_type(seq=1, t=t_ms, dur_s=dur_s, flags=flags, **fields)
        self.emit(record, None if window.synced else window.start_boot_s)

    def _flags(self, window: _Window[T], dur_s: float) -> list[Flag]:
        flags = []
        if dur_s < self.dur_s - GRID_SLACK_S:
            flags.append(Flag.PARTIAL)
        # The clock went far back: one of the two records of this time is wrong, nobody knows which.
        end_s = window.start_utc_s + dur_s - GRID_SLACK_S
        if window.synced and any(
            start < end_s and window.start_utc_s + GRID_SLACK_S < end for start, end in self._runs
        ):
            flags.append(Flag.CLOCK_UNSYNCED)
        return flags

    def _note_run(self, start_s: float, end_s: float) -> None:
        if self._runs and abs(self._runs[-1][1] - start_s) <= GRID_SLACK_S:
            self._runs[-1] = (self._runs[-1][0], end_s)
        else:
            self._runs.append((start_s, end_s))

    def _reported_beyond_s(self, utc_s: float) -> float:
        """How far the reported stretch that `utc_s` lies in goes on; 0 when it lies in none."""
        return max((end - utc_s for start, end in self._runs if start <= utc_s < end), default=0.0)

    def _offset_now_s(self) -> float:
        return self.clock.utc_s() - self.clock.boot_s()
