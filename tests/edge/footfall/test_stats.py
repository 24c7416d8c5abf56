"""A window's record: zero when looked at and nobody came, null when nothing was seen."""

from dataclasses import replace

import pytest

from contract.flags import Flag
from contract.records import FootfallRecord
from edge.sensors.footfall.geometry import Geometry, Line, Zone
from edge.sensors.footfall.reports import Report, SightState
from edge.sensors.footfall.stats import FootfallStats

LINES = (Line("in", 0, 0, 50, 50), Line("out", 0, 50, 50, 0))
GEOMETRY = Geometry(5, LINES)
WITH_ZONE = Geometry(5, LINES, Zone(((0, 0), (50, 0), (50, 50))))
SECOND = Report(
    sequence=0,
    frame=9,
    media_s=1.0,
    span_s=1.0,
    seen_s=1.0,
    frames=10,
    occupancy_sum=15,
    luma=100,
    state=SightState.SEEING,
    counts=((1, 0), (0, 2)),
)
QUIET = replace(SECOND, counts=((0, 0), (0, 0)), occupancy_sum=0)
NIGHT = replace(QUIET, seen_s=0.0, frames=0, luma=5, state=SightState.DARK)


def stats_of(*reports: Report, geometry: Geometry = WITH_ZONE) -> FootfallStats:
    stats = FootfallStats(geometry)
    for report in reports:
        stats.add(report)
    return stats


def test_counts_add_up_line_by_line() -> None:
    fields = stats_of(SECOND, SECOND, QUIET).fields()
    assert [(each.line, each.a_to_b, each.b_to_a) for each in fields.lines] == [
        ("in", 2, 0),
        ("out", 0, 4),
    ]
    assert fields.valid_s == pytest.approx(3)
    assert fields.fps == pytest.approx(10)
    assert fields.occupancy == pytest.approx(1.0)
    assert fields.geometry_rev == 5
    assert fields.flags == []


def test_an_empty_street_is_zero() -> None:
    fields = stats_of(QUIET, QUIET).fields()
    assert [(each.a_to_b, each.b_to_a) for each in fields.lines] == [(0, 0), (0, 0)]
    assert fields.occupancy == 0


def test_a_dark_window_is_null_and_says_dark() -> None:
    fields = stats_of(NIGHT, NIGHT).fields()
    assert fields.valid_s == 0
    assert [(each.a_to_b, each.b_to_a) for each in fields.lines] == [(None, None), (None, None)]
    assert fields.occupancy is None
    assert fields.fps is None
    assert fields.scene_luma == 5
    assert fields.flags == [Flag.DARK]


def test_a_window_without_any_report_is_null_without_a_luma() -> None:
    fields = stats_of().fields()
    assert fields.valid_s == 0
    assert fields.lines[0].a_to_b is None
    assert fields.scene_luma is None


def test_silence_of_the_camera_is_no_luma_of_zero() -> None:
    silent = replace(NIGHT, state=SightState.NO_FRAMES, luma=0)
    assert stats_of(SECOND, silent).fields().scene_luma == 100


def test_a_window_dark_in_part_counts_the_rest() -> None:
    fields = stats_of(SECOND, NIGHT, SECOND).fields()
    assert fields.valid_s == pytest.approx(2)
    assert fields.lines[0].a_to_b == 2
    assert fields.flags == [Flag.DARK]


@pytest.mark.parametrize("state", [SightState.COVERED, SightState.FROZEN, SightState.MOVED])
def test_what_hides_the_street_is_occlusion(state: SightState) -> None:
    assert stats_of(SECOND, replace(NIGHT, state=state)).fields().flags == [Flag.OCCLUDED]


def test_few_frames_a_second_are_flagged() -> None:
    assert stats_of(replace(SECOND, frames=1)).fields().flags == [Flag.LOW_FPS]


def test_without_a_zone_occupancy_is_null() -> None:
    assert stats_of(SECOND, geometry=GEOMETRY).fields().occupancy is None


def test_a_rendered_street_is_marked_simulated() -> None:
    stats = FootfallStats(GEOMETRY, simulated=True)
    stats.add(SECOND)
    assert stats.fields().flags == [Flag.SIMULATED]


@pytest.mark.parametrize("reports", [(SECOND,), (NIGHT,), (SECOND, NIGHT), ()])
def test_the_fields_make_a_record_that_the_contract_takes(reports: tuple[Report, ...]) -> None:
    fields = stats_of(*reports).fields()
    record = FootfallRecord(
        seq=1,
        t=1_800_000_000_000,
        dur_s=900,
        valid_s=fields.valid_s,
        flags=fields.flags,
        lines=fields.lines,
        occupancy=fields.occupancy,
        fps=fields.fps,
        scene_luma=fields.scene_luma,
        geometry_rev=fields.geometry_rev,
    )
    assert record.lines == fields.lines
