"""The walk test: a technician crosses the line and sees the counts a few seconds later.

Only while somebody holds the node in commissioning, by its button or by a command, and never
longer than 15 minutes. Counts of 10 s go to `up/walktest`, which the server takes for nodes in
`installed` or `maintenance` alone and keeps a day. The counter itself runs on; normal windows
don't get what it sees meanwhile, so they say fewer seconds and `MAINTENANCE`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Literal

from contract.events import WalkTest as WalkTestEvent
from contract.limits import WALK_TEST_GRAIN_S, WALK_TEST_MAX_S
from contract.messages import WalkTestCounts
from contract.records import LineCount
from edge.clock import Clock
from edge.sensors.footfall.reports import Report
from edge.spool_rows import to_t_ms

log = logging.getLogger(__name__)

By = Literal["button", "command"]
# A span that was looked at for less of its time has no count.
LEAST_SEEN_SHARE = 0.5


class WalkTest:
    """One node's walk tests; reports come from the stream's thread, the rest from others.

    Args:
        clock: The node's.
        publish: Takes the counts of some seconds.
        say: Takes the events at begin and end.
    """

    def __init__(
        self,
        clock: Clock,
        publish: Callable[[WalkTestCounts], None],
        say: Callable[[WalkTestEvent], None],
    ) -> None:
        self._clock = clock
        self._publish = publish
        self._say = say
        self._lock = threading.RLock()
        self._by: By | None = None
        self._until_s = 0.0
        self._lines: tuple[str, ...] = ()
        self._reports: list[Report] = []

    @property
    def active(self) -> bool:
        """Whether one runs."""
        return self._by is not None

    def begin(self, by: By) -> str | None:
        """Begin one; return why not, if it can't."""
        with self._lock:
            if self._by is not None:
                left_s = self._until_s - self._clock.boot_s()
                return f"a walk test runs already, for {left_s:.0f} s more"
            self._by = by
            self._until_s = self._clock.boot_s() + WALK_TEST_MAX_S
            self._reports.clear()
            self._say(WalkTestEvent(started=True, by=by))
        log.info("walk test begun by %s", by)
        return None

    def end(self, by: By | None = None) -> str | None:
        """End it; return why not, when none runs.

        Args:
            by: Who ends it; whoever began it unless given.
        """
        with self._lock:
            if self._by is None:
                return "no walk test runs"
            self._publish_span()
            self._say(WalkTestEvent(started=False, by=by or self._by))
            self._by = None
        log.info("walk test ended")
        return None

    def tick(self) -> None:
        """End it when its time is up."""
        with self._lock:
            if self._by is not None and self._clock.boot_s() >= self._until_s:
                self.end()

    def take(self, lines: Sequence[str], report: Report) -> bool:
        """Take a report of the counter while a walk test runs; False when none does."""
        with self._lock:
            self.tick()
            if self._by is None:
                return False
            if self._lines != tuple(lines):
                self._publish_span()  # a new geometry came down
                self._lines = tuple(lines)
            self._reports.append(report)
            if self._span_s() >= WALK_TEST_GRAIN_S:
                self._publish_span()
            return True

    def _span_s(self) -> float:
        first = self._reports[0]
        return self._reports[-1].media_s - (first.media_s - first.span_s)

    def _publish_span(self) -> None:
        """Send what was counted since the span before; a shorter one at the end isn't sent.

        The server refuses less than the grain: it would follow single steps.
        """
        reports = [report for report in self._reports if report.span_s > 0]
        dur_s = self._span_s() if reports else 0.0
        self._reports = []
        if dur_s < WALK_TEST_GRAIN_S:
            return
        start_boot_s = reports[0].media_s - reports[0].span_s
        offset_s = self._clock.utc_s() - self._clock.boot_s()
        blind = sum(report.seen_s for report in reports) < LEAST_SEEN_SHARE * dur_s
        sums = [
            tuple(sum(report.counts[n][way] for report in reports) for way in (0, 1))
            for n in range(len(self._lines))
        ]
        counts = [
            LineCount(
                line=line,
                a_to_b=None if blind else a_to_b,
                b_to_a=None if blind else b_to_a,
            )
            for line, (a_to_b, b_to_a) in zip(self._lines, sums, strict=True)
        ]
        t_ms = to_t_ms(start_boot_s + offset_s)
        self._publish(WalkTestCounts(v=1, t=t_ms, dur_s=round(dur_s, 3), lines=counts))
