import msgspec
import pytest

from contract.flags import Flag
from contract.records import LightRecord
from edge.sensors.light.lux_sample import LuxSample
from edge.sensors.light.stats import LightStats, time_percentiles


def sample(lux: float, *, saturated: bool = False, near_floor: bool = False) -> LuxSample:
    return LuxSample(
        lux=lux,
        saturated=saturated,
        near_floor=near_floor,
        full_scale_lx=40.95,
        integration_ms=800.0,
    )


def record(stats: LightStats) -> LightRecord:
    fields = {"seq": 1, "t": 1_790_000_000_000, "dur_s": 60.0, **stats.record_fields()}
    return msgspec.convert(fields, LightRecord)


def test_no_sample_gives_nulls_and_no_valid_second() -> None:
    empty = record(LightStats("opt3001"))
    assert (empty.lux_p10, empty.lux_p50, empty.lux_p90, empty.lux_max) == (None,) * 4
    assert empty.valid_s == 0
    assert empty.flags == []


def test_measured_darkness_is_a_zero_and_not_a_null() -> None:
    stats = LightStats("bh1750")
    stats.add(sample(0.0, near_floor=True), 0.7)
    assert record(stats).lux_p50 == 0.0
    assert record(stats).flags == [Flag.NEAR_FLOOR]


def test_headlight_of_two_seconds_moves_the_maximum_alone() -> None:
    stats = LightStats("opt3001")
    for number in range(60):
        stats.add(sample(300.0 if number in (30, 31) else 8.0), 1.0)
    full = record(stats)
    assert (full.lux_p10, full.lux_p50, full.lux_p90, full.lux_max) == (8.0, 8.0, 8.0, 300.0)


def test_valid_seconds_and_gain_evidence_are_those_of_the_samples() -> None:
    stats = LightStats("opt3001")
    for _ in range(50):
        stats.add(sample(8.0), 0.82)
    full = record(stats)
    assert full.valid_s == pytest.approx(41.0)
    assert (full.samples_n, full.full_scale_lx, full.integration_ms) == (50, 40.95, 800.0)


def test_one_saturated_sample_flags_the_window() -> None:
    stats = LightStats("opt3001")
    stats.add(sample(8.0), 1.0)
    stats.add(sample(83_865.6, saturated=True), 1.0)
    assert record(stats).flags == [Flag.SATURATED]


def test_near_floor_needs_half_of_the_time() -> None:
    stats = LightStats("opt3001")
    stats.add(sample(8.0), 2.0)
    stats.add(sample(0.1, near_floor=True), 1.0)
    assert record(stats).flags == []
    stats.add(sample(0.1, near_floor=True), 1.5)
    assert record(stats).flags == [Flag.NEAR_FLOOR]


def test_percentiles_weigh_samples_by_their_time() -> None:
    # 1 lx for 8 s and 100 lx for 2 s: the median is 1 lx, the 90 % point stands on 100 lx.
    assert time_percentiles([100.0, 1.0], [2.0, 8.0], [0.4, 0.9]) == [1.0, 100.0]


def test_sample_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stands for 0\.0 s"):
        LightStats("opt3001").add(sample(1.0), 0.0)
