"""The pipe out of `vision`: fixed-size count reports, about one per second of media time.

This is all that leaves the processes that see. The agent doesn't trust it: `ReportGate` checks
the range of every number and how often reports come, so that even a hostile `vision` could pass
on a few bytes a second and no picture.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from edge.errors import SensorError
from edge.sensors.footfall.geometry import MAX_LINES

# version, state, ended, luma, sequence, frame, media ms, span ms, seen ms, frames,
# occupancy sum, then a_to_b and b_to_a of every line
REPORT = struct.Struct(f"<BBBBIIQIIHI{2 * MAX_LINES}H")
VERSION = 1
# More than these can't be people walking, whatever the scene.
MOST_CROSSINGS_PER_S = 20
MOST_PEOPLE = 500
MOST_FPS = 130
# A stalled machine may hand over several reports at once; a steady stream may not.
MOST_REPORTS_PER_S = 4
BURST_REPORTS = 20
LONGEST_SPAN_MS = 120_000


class SightState(IntEnum):
    """Whether the camera could see in the time of a report, and why not."""

    SEEING = 0
    WARMING_UP = 1
    DARK = 2
    COVERED = 3
    FROZEN = 4
    MOVED = 5
    NO_FRAMES = 6
    CANARY_MISSED = 7


class ReportRejected(SensorError):
    """`vision` sent something that can't be a count; the counter is stopped."""

    state = "bad_report"


@dataclass(frozen=True, kw_only=True)
class Report:
    """Counts since the report before.

    Attributes:
        sequence: From 0, one up with each report of a run.
        frame: Number of the last frame in it.
        media_s: Its time, on the node's clock.
        span_s: Media time since the report before.
        seen_s: Part of it in which people could be seen.
        frames: Frames looked at while seeing.
        occupancy_sum: Foot points inside the zone, added up over those frames.
        luma: Mean brightness of the last frame, 0 to 255.
        counts: (a_to_b, b_to_a) for each line, in the geometry's order.
        ended: The source ended as it should; nothing follows.
    """

    sequence: int
    frame: int
    media_s: float
    span_s: float
    seen_s: float
    frames: int
    occupancy_sum: int
    luma: int
    state: SightState
    counts: tuple[tuple[int, int], ...]
    ended: bool = False

    def pack(self) -> bytes:
        padded = self.counts + ((0, 0),) * (MAX_LINES - len(self.counts))
        return REPORT.pack(
            VERSION,
            self.state,
            self.ended,
            self.luma,
            self.sequence,
            self.frame,
            round(self.media_s * 1000),
            round(self.span_s * 1000),
            round(self.seen_s * 1000),
            self.frames,
            self.occupancy_sum,
            *(count for pair in padded for count in pair),
        )


def unpack(data: bytes, lines: int) -> Report:
    """A report from its bytes; raises `ReportRejected` for a number out of range."""
    version, state, ended, luma, sequence, frame, media_ms, span_ms, seen_ms, frames, occ, *flat = (
        REPORT.unpack(data)
    )
    if version != VERSION or state not in set(SightState) or ended > 1:
        raise ReportRejected(f"report says version {version}, state {state}, ended {ended}")
    report = Report(
        sequence=sequence,
        frame=frame,
        media_s=media_ms / 1000,
        span_s=span_ms / 1000,
        seen_s=seen_ms / 1000,
        frames=frames,
        occupancy_sum=occ,
        luma=luma,
        state=SightState(state),
        counts=tuple(zip(flat[: 2 * lines : 2], flat[1 : 2 * lines : 2], strict=True)),
        ended=bool(ended),
    )
    if any(flat[2 * lines :]):
        raise ReportRejected(f"report counts on more than the {lines} configured lines")
    check_range(report)
    return report


def check_range(report: Report) -> None:
    """Raise `ReportRejected` unless every number could come from people in front of a camera."""
    if report.span_s * 1000 > LONGEST_SPAN_MS or report.seen_s > report.span_s + 0.002:
        raise ReportRejected(f"report saw {report.seen_s:g} s in a span of {report.span_s:g} s")
    if report.frames > MOST_FPS * report.span_s + 2:
        raise ReportRejected(f"{report.frames} frames in {report.span_s:g} s")
    if report.occupancy_sum > MOST_PEOPLE * report.frames:
        raise ReportRejected(f"{report.occupancy_sum} people over {report.frames} frames")
    # People who walk abreast cross in one frame, so a short report gets a second's worth too.
    limit = MOST_CROSSINGS_PER_S * (1 + report.span_s)
    if any(count > limit for pair in report.counts for count in pair):
        raise ReportRejected(f"{report.counts} crossings in {report.span_s:g} s")
    if not report.frames and any(count for pair in report.counts for count in pair):
        raise ReportRejected("crossings without a single frame")


class ReportGate:
    """Reports of one run, checked one by one and against each other.

    Args:
        lines: How many lines the geometry has.
        rate_limited: Off where each frame of a file reports for itself.
    """

    def __init__(self, lines: int, *, rate_limited: bool = True) -> None:
        self._lines = lines
        self._rate_limited = rate_limited
        self._next_sequence = 0
        self._last_media_s: float | None = None
        self._allowance = float(BURST_REPORTS)

    def admit(self, data: bytes) -> Report:
        """The report in `data`; raises `ReportRejected` when it can't be true."""
        report = unpack(data, self._lines)
        if report.sequence != self._next_sequence:
            raise ReportRejected(
                f"report {report.sequence} came where {self._next_sequence} was due"
            )
        self._next_sequence += 1
        last_s = report.media_s if self._last_media_s is None else self._last_media_s
        if report.media_s < last_s:
            raise ReportRejected(
                f"media time went back from {last_s:.3f} to {report.media_s:.3f} s"
            )
        self._last_media_s = report.media_s
        self._check_rate(report.media_s - last_s)
        return report

    def _check_rate(self, passed_s: float) -> None:
        if not self._rate_limited:
            return
        gained = passed_s * MOST_REPORTS_PER_S
        self._allowance = min(BURST_REPORTS, self._allowance + gained) - 1
        if self._allowance < 0:
            raise ReportRejected(f"more than {MOST_REPORTS_PER_S} reports a second")
