"""The pipe out of vision: what goes through it unchanged, and what the agent refuses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors.footfall.geometry import MAX_LINES
from edge.sensors.footfall.reports import (
    REPORT,
    Report,
    ReportGate,
    ReportRejected,
    SightState,
    unpack,
)

PLAIN = Report(
    sequence=0,
    frame=9,
    media_s=1.0,
    span_s=1.0,
    seen_s=1.0,
    frames=10,
    occupancy_sum=12,
    luma=100,
    state=SightState.SEEING,
    counts=((1, 0), (0, 2)),
)


@given(
    sequence=st.integers(0, 2**32 - 1),
    frame=st.integers(0, 2**32 - 1),
    media_ms=st.integers(0, 2**50),
    span_ms=st.integers(1000, 60_000),
    frames=st.integers(1, 100),
    luma=st.integers(0, 255),
    state=st.sampled_from(SightState),
    counts=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=MAX_LINES),
    ended=st.booleans(),
)
def test_a_report_survives_the_pipe(
    sequence: int,
    frame: int,
    media_ms: int,
    span_ms: int,
    frames: int,
    luma: int,
    state: SightState,
    counts: list[tuple[int, int]],
    ended: bool,
) -> None:
    report = Report(
        sequence=sequence,
        frame=frame,
        media_s=media_ms / 1000,
        span_s=span_ms / 1000,
        seen_s=span_ms / 1000,
        frames=frames,
        occupancy_sum=frames,
        luma=luma,
        state=state,
        counts=tuple(counts),
        ended=ended,
    )
    assert unpack(report.pack(), len(counts)) == report


@given(st.binary(min_size=REPORT.size, max_size=REPORT.size))
def test_noise_is_a_report_in_range_or_refused(data: bytes) -> None:
    try:
        report = unpack(data, 2)
    except ReportRejected:
        return
    assert report.seen_s <= report.span_s + 0.002 <= 121
    assert all(count <= 20 * 121 for pair in report.counts for count in pair)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (replace(PLAIN, counts=((41, 0), (0, 0))), "crossings in 1 s"),
        (replace(PLAIN, frames=133), "133 frames in 1 s"),
        (replace(PLAIN, seen_s=1.5), "saw 1.5 s in a span of 1 s"),
        (replace(PLAIN, occupancy_sum=5001), "5001 people over 10 frames"),
        (replace(PLAIN, span_s=121.0), "span of 121 s"),
        (replace(PLAIN, frames=0, occupancy_sum=0), "crossings without a single frame"),
        (replace(PLAIN, counts=((0, 0), (0, 0), (1, 0))), "more than the 2 configured lines"),
        (replace(PLAIN, sequence=1), "report 1 came where 0 was due"),
    ],
    ids=["crossings", "fps", "seen", "occupancy", "span", "blind-count", "line", "sequence"],
)
def test_a_number_out_of_range_is_refused(bad: Report, message: str) -> None:
    with pytest.raises(ReportRejected, match=message):
        ReportGate(2).admit(bad.pack())


@pytest.mark.parametrize("position", [0, 1, 2], ids=["version", "state", "ended"])
def test_an_unknown_code_is_refused(position: int) -> None:
    data = bytearray(PLAIN.pack())
    data[position] = 77
    with pytest.raises(ReportRejected, match="77"):
        unpack(bytes(data), 2)


def test_media_time_never_goes_back() -> None:
    gate = ReportGate(2)
    gate.admit(PLAIN.pack())
    with pytest.raises(ReportRejected, match=r"went back from 1\.000 to 0\.500 s"):
        gate.admit(replace(PLAIN, sequence=1, media_s=0.5).pack())


def test_a_flood_of_reports_is_refused_but_a_burst_is_not() -> None:
    gate = ReportGate(2)
    quick = [replace(PLAIN, sequence=n, media_s=1 + n / 1000).pack() for n in range(40)]
    for data in quick[:20]:
        gate.admit(data)
    with pytest.raises(ReportRejected, match="more than 4 reports a second"):
        gate.admit(quick[20])


def test_each_frame_of_a_file_may_report() -> None:
    gate = ReportGate(2, rate_limited=False)
    for n in range(200):
        gate.admit(replace(PLAIN, sequence=n, media_s=1 + n / 1000).pack())


def test_a_report_has_one_size_whatever_it_says() -> None:
    assert len(PLAIN.pack()) == len(replace(PLAIN, counts=()).pack()) == REPORT.size == 98
