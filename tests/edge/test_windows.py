"""Windows: on the grid of UTC, whole or PARTIAL, never more time than passed, never twice."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.flags import Flag
from contract.records import FootfallRecord, HealthRecord, Record
from edge.feeds.footfall import footfall_feed
from edge.settings import load
from edge.windows import Piece, Windower
from tests.edge.conftest import NOON_S, SetClock

DUR_S = 60.0
NOON_MS = int(NOON_S * 1000)


@dataclass
class Seconds:
    """Adds up what was measured."""

    valid_s: float = 0.0

    def add(self, data: None, seconds: float) -> None:
        self.valid_s += seconds

    def record_fields(self) -> dict[str, Any]:
        return {"valid_s": round(self.valid_s, 3), "flags": [], "uptime_s": 1.0}


@dataclass
class Bench:
    """A windower fed with pieces of one second, on a clock set by hand."""

    clock: SetClock
    dur_s: float = DUR_S
    covered_to_utc_s: float = 0.0
    out: list[tuple[Record, float | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.windower: Windower[None] = Windower(
            dur_s=self.dur_s,
            clock=self.clock,
            record_type=HealthRecord,
            new=Seconds,
            emit=lambda record, start: self.out.append((record, start)),
            covered_to_utc_s=self.covered_to_utc_s,
        )
        self.windower.begin(self.clock.boot_s())

    def run(self, seconds: int, *, measuring: bool = True) -> None:
        for _ in range(seconds):
            start_s = self.clock.boot_s()
            self.clock.sleep(1.0)
            if measuring:
                self.windower.add(Piece(start_s, 1.0, None))
            else:
                self.windower.advance(self.clock.boot_s())

    @property
    def spans(self) -> list[tuple[float, float, float]]:
        """(start in s after noon, dur_s, valid_s) of every record."""
        return [((r.t - NOON_MS) / 1000, r.dur_s, r.valid_s) for r, _ in self.out]

    @property
    def flags(self) -> list[list[Flag]]:
        return [record.flags for record, _ in self.out]


@pytest.fixture
def bench(clock: SetClock) -> Bench:
    clock.sleep(20)
    return Bench(clock)


def test_windows_are_cut_on_the_grid_and_the_ends_are_partial(bench: Bench) -> None:
    bench.run(130)
    bench.windower.close()
    assert bench.spans == [(20, 40, 40), (60, 60, 60), (120, 30, 30)]
    assert bench.flags == [[Flag.PARTIAL], [], [Flag.PARTIAL]]


def test_start_on_the_grid_is_a_whole_window(clock: SetClock) -> None:
    bench = Bench(clock)
    bench.run(61)
    assert bench.spans == [(0, 60, 60)]
    assert bench.flags == [[]]


def test_time_without_measurement_is_not_valid(bench: Bench) -> None:
    bench.run(50)
    bench.run(70, measuring=False)
    bench.run(10)
    bench.windower.close()
    assert bench.spans == [(20, 40, 40), (60, 60, 10), (120, 30, 10)]


def test_window_without_a_piece_says_so(bench: Bench) -> None:
    bench.run(110, measuring=False)
    assert bench.spans == [(20, 40, 0), (60, 60, 0)]


def test_suspended_machine_leaves_a_gap(bench: Bench) -> None:
    bench.run(5)
    bench.clock.sleep(10_000)
    bench.run(30)
    bench.windower.close()
    assert bench.spans == [(20, 5, 5), (10_025, 30, 30)]


def test_step_forward_closes_the_window_where_it_happened(bench: Bench) -> None:
    bench.run(10)
    bench.clock.offset += 600
    bench.run(40)
    bench.windower.close()
    assert bench.spans == [(20, 10, 10), (630, 30, 30), (660, 10, 10)]
    assert bench.flags == [[Flag.PARTIAL]] * 3


def test_small_step_back_measures_nothing_twice(bench: Bench) -> None:
    bench.run(10)
    bench.clock.offset -= 2
    bench.run(33)
    assert bench.spans == [(20, 10, 10), (30, 30, 30)]


def test_large_step_back_keeps_measuring_and_flags_the_doubtful(bench: Bench) -> None:
    bench.run(160)
    bench.clock.offset -= 100
    bench.run(125)
    bench.windower.close()
    starts = [start for start, _, _ in bench.spans]
    # 20, 60, 120, 180 cut short; then again from 80 on
    assert starts == [20, 60, 120, 80, 120, 180]
    doubtful = [Flag.CLOCK_UNSYNCED in flags for flags in bench.flags]
    assert doubtful == [False, False, False, True, True, False]


def test_year_ahead_and_back_poisons_nothing_after(bench: Bench) -> None:
    bench.run(100)
    bench.clock.offset += 365 * 86_400
    bench.run(120)
    bench.clock.offset -= 365 * 86_400
    bench.run(130)
    bench.windower.close()
    back = [(s, f) for (s, _, _), f in zip(bench.spans, bench.flags, strict=True) if s < 86_400]
    assert [s for s, _ in back] == [20, 60, 240, 300, 360]
    assert all(Flag.CLOCK_UNSYNCED not in flags for _, flags in back)


def test_restart_within_a_reported_window_does_not_repeat_it(clock: SetClock) -> None:
    clock.sleep(20)
    bench = Bench(clock, covered_to_utc_s=NOON_S + 25)
    bench.run(45)
    assert bench.spans == [(25, 35, 35)]


def test_unsettled_clock_hands_over_the_boot_time(bench: Bench) -> None:
    bench.clock.in_sync = False
    bench.windower.close()
    bench.windower.begin(bench.clock.boot_s())
    bench.run(10)
    bench.clock.offset += 5000.25
    bench.clock.in_sync = True
    bench.run(10)
    bench.windower.close()
    starts = [start for _, start in bench.out]
    assert starts == [1020.0, None]
    assert bench.spans[0][1] == 10


@pytest.mark.parametrize(("splits", "valid_s"), [(True, [40, 60]), (False, [39.9, 60])], ids=str)
def test_piece_over_a_windows_end_is_shared_where_it_can_be(
    clock: SetClock, splits: bool, valid_s: list[float]
) -> None:
    clock.sleep(20)
    bench = Bench(clock)
    bench.windower.splits = splits
    for _ in range(150):  # pieces of 0.7 s don't fit into 40 or 60 s
        start_s = clock.boot_s()
        clock.sleep(0.7)
        bench.windower.add(Piece(start_s, 0.7, None))
    assert [valid for _, _, valid in bench.spans] == pytest.approx(valid_s, abs=0.01)


def test_footfall_window_cut_short_is_valid_by_contract(clock: SetClock) -> None:
    out: list[Record] = []

    class Blind:
        def add(self, data: None, seconds: float) -> None: ...

        def record_fields(self) -> dict[str, Any]:
            return {
                "valid_s": 0.0, "flags": [], "lines": [], "occupancy": None, "fps": None,
                "scene_luma": None, "geometry_rev": 1,
            }  # fmt: skip

    windower: Windower[None] = Windower(
        dur_s=900, clock=clock, record_type=FootfallRecord, new=Blind,
        emit=lambda record, _: out.append(record),
    )  # fmt: skip
    windower.begin(clock.boot_s())
    windower.add(Piece(clock.boot_s(), 3.0, None))
    windower.close()
    assert (out[0].dur_s, out[0].flags) == (3.0, [Flag.PARTIAL])


def test_window_under_the_least_length_says_nothing(bench: Bench) -> None:
    bench.windower.least_s = 50
    bench.run(130)
    bench.windower.close()
    assert bench.spans == [(20, 40, 0), (60, 60, 60), (120, 30, 0)]


@pytest.mark.parametrize(
    ("source", "least_s"),
    [("v4l2:/dev/video0", 300), ("rtsp://camera/1", 300), ("clip.avi", 0), ("scene:seed=1", 0)],
)
def test_live_cameras_give_no_count_of_less_than_five_minutes(source: str, least_s: float) -> None:
    settings = load(None, ["node_id=park-1", f"footfall.source={source}"])
    feed = footfall_feed(settings, SetClock())
    assert feed is not None
    assert feed.least_window_s == least_s


def test_clock_change_of_a_country_is_no_event(clock: SetClock) -> None:
    """2026-10-25 01:00 UTC, when Europe's clocks go back: UTC knows nothing of it."""
    clock.offset = 1_792_890_000.0 - clock.boot
    bench = Bench(clock, dur_s=900)
    for _ in range(8):
        bench.run(450)
    ts = [record.t for record, _ in bench.out]
    assert ts == [1_792_890_000_000 + n * 900_000 for n in range(len(ts))]
    assert all(not record.flags for record, _ in bench.out)


STEPS = st.sampled_from([-90_000.0, -700.0, -30.0, -2.0, -0.7, 0.3, 0.7, 45.0, 600.0, 9e6])


@settings(max_examples=60, deadline=None)
@given(
    start_s=st.floats(0, 120),
    moves=st.lists(st.tuples(st.integers(1, 150), STEPS, st.booleans()), max_size=6),
)
def test_whatever_the_clock_does_no_time_is_invented(
    start_s: float, moves: list[tuple[int, float, bool]]
) -> None:
    clock = SetClock()
    clock.sleep(start_s)
    bench = Bench(clock)
    began_s = clock.boot_s()
    for seconds, step_s, measuring in moves:
        bench.run(seconds, measuring=measuring)
        clock.offset += step_s
    bench.run(5)
    bench.windower.close()
    records = [record for record, _ in bench.out]
    assert all(r.valid_s <= r.dur_s <= DUR_S for r in records)
    assert sum(r.dur_s for r in records) <= clock.boot_s() - began_s + 0.01 * len(records)
    sure = sorted(
        (r.t, r.t + r.dur_s * 1000) for r in records if Flag.CLOCK_UNSYNCED not in r.flags
    )
    for (_, end), (start, _) in itertools.pairwise(sure):
        assert start >= end - 2
