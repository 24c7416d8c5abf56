from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.flags import Flag
from contract.records import NoiseRecord
from edge.sensors.noise.laf_histogram import LafHistogram
from edge.sensors.noise.stats import NoiseStats

Measure = Callable[..., NoiseStats]


def white(seconds: float, rms: float) -> NDArray[np.float64]:
    return rms * np.random.default_rng(1).standard_normal(round(seconds * 48_000))


def record(stats: NoiseStats) -> NoiseRecord:
    fields = {"seq": 1, "t": 1_790_000_000_000, "dur_s": 60.0, **stats.record_fields()}
    return msgspec.convert(fields, NoiseRecord)


def test_nothing_measured_gives_nulls_and_no_valid_second() -> None:
    empty = record(NoiseStats())
    assert empty.valid_s == 0
    assert (empty.laeq, empty.lafmax, empty.la90, empty.laf_hist) == (None, None, None, [])


def test_lost_samples_are_counted_also_when_nothing_was_measured() -> None:
    stats = NoiseStats()
    stats.add_lost(4800)
    assert record(stats).lost_n == 4800


def test_less_than_the_settling_time_is_nothing_measured(measure: Measure) -> None:
    assert record(measure(white(0.9, 0.02))).valid_s == 0


def test_digital_silence_is_null_and_not_a_level(measure: Measure) -> None:
    assert record(measure(np.zeros(5 * 48_000))).laeq is None


def test_record_of_a_loud_minute_stands_in_the_contract(measure: Measure) -> None:
    stats = measure(white(5, 0.02))
    loud = record(stats)
    assert loud.valid_s == 5.0
    assert loud.flags == []
    assert sum(count for _, count in loud.laf_hist) == 5 * 8 - 8
    assert loud.la10 is not None
    assert {cls for cls, _ in loud.laf_hist} <= set(range(int(loud.la10 * 2) - 8, 400))


def test_quiet_is_near_the_floor_and_clipping_is_overload(measure: Measure) -> None:
    assert record(measure(white(3, 10 ** (-90 / 20)))).flags == [Flag.NEAR_FLOOR]
    assert record(measure(np.clip(white(3, 0.6), -1, 1))).flags == [Flag.OVERLOAD]


def test_wire_class_begins_at_half_its_number() -> None:
    histogram = LafHistogram()
    for level in (40.0, 40.49, 40.5, -0.2, 40.3):
        histogram.add(level)
    assert histogram.wire_classes() == [(-1, 1), (80, 3), (81, 1)]


def test_levels_beyond_the_ends_go_to_the_end_classes() -> None:
    histogram = LafHistogram()
    histogram.add(-np.inf)
    histogram.add(250.0)
    assert histogram.wire_classes() == [(-80, 1), (399, 1)]


def test_percentile_across_an_empty_gap_takes_a_class_that_was_seen() -> None:
    histogram = LafHistogram()
    for level in (40.0, 80.0):
        histogram.add(level)
    assert histogram.exceeded_db(0.5) == 40.05
    assert histogram.exceeded_db(0.0) == 80.05
    assert LafHistogram().exceeded_db(0.5) is None
