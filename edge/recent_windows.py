"""The last day's footfall windows and the light meanwhile, kept for the technician's tally.

The spool forgets a record once the server has it; a tally is compared with the counter minutes
later. Nothing here that the records themselves didn't say.
"""

import json
import logging
import statistics
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from contract.records import FootfallRecord, LightRecord, Record

log = logging.getLogger(__name__)

# A day of windows of 900 s, some more where they are shorter.
KEPT_N = 120
LIGHT_KEPT_N = 120


@dataclass(frozen=True)
class CountedLine:
    """Crossings of one line; None while the counter was blind."""

    line: str
    a_to_b: int | None
    b_to_a: int | None


@dataclass(frozen=True)
class CountedWindow:
    """One footfall window; `lux_p50` is the median of the light records' medians within it."""

    t_ms: int
    dur_s: float
    valid_s: float
    flags: Sequence[str]
    lines: Sequence[CountedLine]
    lux_p50: float | None

    @property
    def end_ms(self) -> int:
        return self.t_ms + round(self.dur_s * 1000)


class RecentWindows:
    """One file beside the spool, written whole with each footfall record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._windows = deque(read_recent(path), maxlen=KEPT_N)
        self._lux: deque[tuple[int, float]] = deque(maxlen=LIGHT_KEPT_N)

    def note(self, record: Record) -> None:
        """Remember a record of light or footfall; called from the streams' threads."""
        with self._lock:
            if isinstance(record, LightRecord) and record.lux_p50 is not None:
                self._lux.append((record.t, record.lux_p50))
            elif isinstance(record, FootfallRecord):
                self._windows.append(self._window(record))
                self._write()

    def _window(self, record: FootfallRecord) -> CountedWindow:
        end_ms = record.t + round(record.dur_s * 1000)
        lux = [lux for t_ms, lux in self._lux if record.t <= t_ms < end_ms]
        return CountedWindow(
            t_ms=record.t,
            dur_s=record.dur_s,
            valid_s=record.valid_s,
            flags=[str(flag) for flag in record.flags],
            lines=[CountedLine(one.line, one.a_to_b, one.b_to_a) for one in record.lines],
            lux_p50=round(statistics.median(lux), 4) if lux else None,
        )

    def _write(self) -> None:
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps([asdict(window) for window in self._windows]))
            new.replace(self._path)
        except OSError as error:
            # A tally can then not be compared; measuring goes on.
            log.warning("%s can't be written: %s", self._path, error)


def read_recent(path: Path) -> list[CountedWindow]:
    """The windows of a node's file, oldest first; none when there is no file to be read."""
    try:
        rows = json.loads(path.read_text())
        return [
            CountedWindow(**{**row, "lines": [CountedLine(**line) for line in row["lines"]]})
            for row in rows
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s is ignored: %s", path, error)
        return []
