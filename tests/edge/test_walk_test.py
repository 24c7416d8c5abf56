"""The walk test: counts of ten seconds, begun and ended by events, out of the normal windows."""

from contract.events import WalkTest as WalkTestEvent
from contract.flags import Flag
from contract.messages import WalkTestCounts
from edge.feeds.footfall import footfall_feed
from edge.sensors.footfall.reports import Report, SightState
from edge.settings import load
from edge.walk_test import WalkTest
from tests.edge.conftest import NOON_S, SetClock


class Bench:
    """A walk test with everything that it says, on a clock set by hand."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.published: list[WalkTestCounts] = []
        self.events: list[WalkTestEvent] = []
        self.test = WalkTest(self.clock, self.published.append, self.events.append)

    def report(self, a_to_b: int = 0, b_to_a: int = 0, seen_s: float = 1.0) -> Report:
        """The next second's report."""
        self.clock.sleep(1.0)
        return Report(
            sequence=0,
            frame=0,
            media_s=self.clock.boot_s(),
            span_s=1.0,
            seen_s=seen_s,
            frames=5 if seen_s else 0,
            occupancy_sum=0,
            luma=90,
            state=SightState.SEEING if seen_s else SightState.DARK,
            counts=((a_to_b, b_to_a),),
        )


def test_ten_seconds_are_one_message_with_its_own_time() -> None:
    bench = Bench()
    assert not bench.test.take(["gate"], bench.report(1, 0))
    assert bench.test.begin("button") is None
    for second in range(20):
        assert bench.test.take(["gate"], bench.report(1 if second < 3 else 0, 0))
    first, second_ten = bench.published
    assert (first.t, first.dur_s) == (round((NOON_S + 1) * 1000), 10.0)
    assert (first.lines[0].line, first.lines[0].a_to_b, first.lines[0].b_to_a) == ("gate", 3, 0)
    assert (second_ten.t, second_ten.lines[0].a_to_b) == (first.t + 10_000, 0)


def test_begin_and_end_are_events_that_name_who() -> None:
    bench = Bench()
    bench.test.begin("command")
    assert "runs already, for 900 s more" in str(bench.test.begin("button"))
    assert bench.test.end("button") is None
    assert bench.test.end() == "no walk test runs"
    assert [(event.started, event.by) for event in bench.events] == [
        (True, "command"),
        (False, "button"),
    ]


def test_it_ends_by_itself_after_15_minutes_with_or_without_a_camera() -> None:
    bench = Bench()
    bench.test.begin("button")
    bench.clock.sleep(899)
    bench.test.tick()
    runs = [bench.test.active]
    assert not bench.test.take(["gate"], bench.report())
    runs.append(bench.test.active)
    assert runs == [True, False]
    assert [event.started for event in bench.events] == [True, False]


def test_less_than_the_grain_is_not_sent_at_the_end() -> None:
    bench = Bench()
    bench.test.begin("button")
    for _ in range(4):
        bench.test.take(["gate"], bench.report(0, 1))
    bench.test.end()
    assert bench.published == []


def test_a_blind_counter_counts_null_and_not_zero() -> None:
    bench = Bench()
    bench.test.begin("button")
    for _ in range(10):
        bench.test.take(["gate"], bench.report(seen_s=0.0))
    (blind,) = bench.published
    assert (blind.lines[0].a_to_b, blind.lines[0].b_to_a) == (None, None)


def test_a_window_leaves_the_walk_test_out_and_says_so() -> None:
    bench = Bench()
    settings = load(None, ["node_id=park-1", "footfall.source=scene:seed=1;seconds=900"])
    feed = footfall_feed(settings, bench.clock)
    assert feed is not None
    feed.walk_test = bench.test
    window = feed.new_stats()
    for _ in range(400):
        window.add(bench.report(1, 0), 1.0)
    bench.test.begin("button")
    for _ in range(100):
        window.add(bench.report(1, 0), 1.0)
    bench.test.end()
    fields = window.record_fields()
    assert fields["valid_s"] == 400
    assert fields["lines"][0].a_to_b == 400
    assert Flag.MAINTENANCE in fields["flags"]


def test_too_little_beside_a_walk_test_is_not_measured() -> None:
    bench = Bench()
    settings = load(None, ["node_id=park-1", "footfall.source=v4l2:/dev/video0"])
    feed = footfall_feed(settings, bench.clock)
    assert feed is not None
    feed.walk_test = bench.test
    window = feed.new_stats()
    for _ in range(60):
        window.add(bench.report(1, 0), 1.0)
    bench.test.begin("button")
    window.add(bench.report(1, 0), 1.0)
    fields = window.record_fields()
    assert (fields["valid_s"], fields["lines"][0].a_to_b) == (0.0, None)
    assert Flag.MAINTENANCE in fields["flags"]
