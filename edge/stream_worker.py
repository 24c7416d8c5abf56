"""One stream at work: a thread that takes its sensor's pieces to windows and the spool.

A sensor that fails leaves windows that say so (`valid_s` 0 and nulls), never a silence that could
be taken for zero; it is opened again with growing waits.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from contract.batch import RECORD_TYPE
from contract.errors import DecodeError
from contract.flags import Flag
from contract.records import Record
from edge.clock import FastClock
from edge.errors import SensorError, SourceError
from edge.feeds.feed import Feed
from edge.identity import software_rev
from edge.sensor_states import OK, SensorStates
from edge.spool import Spool
from edge.spool_rows import Origin
from edge.windows import Windower

log = logging.getLogger(__name__)

RETRY_S = 1.0
RETRY_MAX_S = 60.0
# A source that worked this long before it failed is tried again at once.
WORKED_S = 60.0


@dataclass
class Retry:
    """Growing waits between attempts to open a source."""

    wait_s: float = RETRY_S

    def after(self, worked_s: float) -> float:
        """The wait after a source that worked for so long."""
        if worked_s > WORKED_S:
            self.wait_s = RETRY_S
        wait_s, self.wait_s = self.wait_s, min(2 * self.wait_s, RETRY_MAX_S)
        return wait_s


class StreamWorker:
    """Runs one feed until it ends or `stop` is called.

    Args:
        dur_s: Length of a window.
        end_s: Time on the feed's clock at which to end; None: never.
        on_record: Told of every record whose time is settled, once it waits for the next flush.
    """

    def __init__(
        self,
        feed: Feed,
        spool: Spool,
        states: SensorStates,
        dur_s: float,
        *,
        end_s: float | None = None,
        on_record: Callable[[Record], None] | None = None,
    ) -> None:
        self.feed = feed
        self.name = feed.stream.value
        self._spool = spool
        self._states = states
        self._end_s = end_s
        self._on_record = on_record
        self._beat_s = time.monotonic()
        self._origin = Origin(spool.origin.boot, software_rev(feed.rev_part), feed.sens_db)
        self._stopping = threading.Event()
        covered_to_ms = spool.last_end_ms(feed.stream)
        self._windower = Windower(
            dur_s=dur_s,
            clock=feed.clock,
            record_type=RECORD_TYPE[feed.stream],
            new=feed.new_stats,
            emit=self._emit,
            splits=feed.splits,
            least_s=feed.least_window_s,
            # Files on a clock of their own may be played again at the same time.
            covered_to_utc_s=0.0
            if isinstance(feed.clock, FastClock)
            else (covered_to_ms or 0) / 1000,
        )
        self._thread = threading.Thread(target=self.run, name=f"stream-{self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    @property
    def clock_s(self) -> float:
        """How far the feed's clock has come."""
        return self.feed.clock.boot_s()

    @property
    def silent_s(self) -> float:
        """Seconds since its thread last did anything; 0 for one that has ended as it should."""
        return 0.0 if self.ended else time.monotonic() - self._beat_s

    def stop(self) -> None:
        """Ask for the end; `join` waits for it."""
        self._stopping.set()
        self.feed.stop()

    def join(self, timeout_s: float = 15.0) -> None:
        self._thread.join(timeout_s)

    def run(self) -> None:
        """Measure until the end; then the open window is cut short and handed over."""
        self._states.watch(self.name)
        self._windower.begin(self.clock_s)
        retry = Retry()
        while not self._stopping.is_set() and not self._past_end():
            began_s = self.clock_s
            try:
                self._measure()
                if self.feed.ends or self._past_end():
                    break
                if not self._stopping.is_set():
                    raise SourceError(f"{self.name} source ended by itself")
            except SensorError as error:
                if self._stopping.is_set():
                    break
                self._fault(error.state, str(error))
            except Exception as error:
                # The outermost frame of the thread: a bug in one stream must not end the others.
                log.exception("%s failed", self.name)
                self._fault("failed", f"{type(error).__name__}: {error}")
            if self.feed.ends and isinstance(self.feed.clock, FastClock):
                break  # a file that can't be read now won't be read later
            self._wait(retry.after(self.clock_s - began_s))
        self._windower.close()

    def _measure(self) -> None:
        readings = self.feed.readings()
        try:
            for reading in readings:
                self._beat_s = time.monotonic()
                self._windower.add(reading.piece)
                self._states.seen(self.name, reading.state)
                if self._stopping.is_set() or self._past_end():
                    return
        finally:
            close = getattr(readings, "close", None)
            if close is not None:
                close()

    def _past_end(self) -> bool:
        return self._end_s is not None and self.clock_s >= self._end_s

    def _fault(self, state: str, detail: str) -> None:
        log.debug("%s is %s: %s", self.name, state, detail)  # the agent says changes
        self._states.set(self.name, state, detail)

    def _wait(self, seconds: float) -> None:
        """Let time pass without a sensor; windows go on and say that nothing was measured."""
        until_s = self.clock_s + seconds
        while self.clock_s < until_s and not self._stopping.is_set() and not self._past_end():
            if isinstance(self.feed.clock, FastClock):
                self.feed.clock.sleep(1.0)
            else:
                self._stopping.wait(min(1.0, seconds))
            self._windower.advance(self.clock_s)
            self._beat_s = time.monotonic()

    def _emit(self, record: Record, start_boot_s: float | None) -> None:
        if self.feed.simulated:
            record.flags = [*record.flags, Flag.SIMULATED]
        try:
            self._spool.append(
                self.feed.stream, record, origin=self._origin, start_boot_s=start_boot_s
            )
        except DecodeError as error:
            log.error("%s record can't be sent: %s", self.name, error)
            self._states.set(self.name, "bad_record", str(error))
        else:
            if self._states.state_of(self.name)[0] == "bad_record":
                self._states.set(self.name, OK)
            if self._on_record is not None and start_boot_s is None:
                self._on_record(record)
