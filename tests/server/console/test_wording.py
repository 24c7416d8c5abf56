"""Words for states, values and times: the site's own time, and a dash for what is not known."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from contract.flags import Flag
from contract.streams import Stream
from server.api.stream_state import Condition, Link, StreamState
from server.api.zones import site_zone
from server.console import wording
from server.console.wording import DASH, Mark

MADRID = ZoneInfo("Europe/Madrid")
AT = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)  # 12:00 in Madrid, on the day its clocks change


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "01:59"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "03:00"),  # 02:00 never was
        (datetime(2026, 3, 28, 22, 59, tzinfo=UTC), "28 Mar 23:59"),
        (datetime(2024, 12, 31, 23, 30, tzinfo=UTC), "1 Jan 2025 00:30"),
    ],
)
def test_times_are_those_of_the_site(time: datetime, said: str) -> None:
    assert wording.clock(time, AT, MADRID) == said


@pytest.mark.parametrize(
    ("tz", "said"),
    [
        ("Europe/Madrid", "Europe/Madrid, CEST (UTC+02:00)"),
        ("Asia/Kathmandu", "Asia/Kathmandu, UTC+05:45"),
        ("UTC", "UTC"),
        ("Europe/Atlantis", "UTC"),
        ("../../etc/passwd", "UTC"),
        (None, "UTC"),
    ],
)
def test_the_zone_is_named_and_an_unknown_one_is_utc(tz: str | None, said: str) -> None:
    assert wording.zone_name(AT, site_zone(tz)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, DASH),
        (0, "0.00"),
        (0.123, "0.12"),
        (12.34, "12.3"),
        (123.4, "123"),
        (45_678, "45,700"),
    ],
)
def test_lux_has_three_digits(value: float | None, said: str) -> None:
    assert wording.lux(value) == said


def test_an_offset_never_makes_light_negative_on_the_page() -> None:
    assert wording.lux(-0.02) == "0.00"


@pytest.mark.parametrize(
    ("value", "said"), [(None, DASH), (0, "0"), (12.0, "12"), (12.5, "12.5"), (12345, "12,345")]
)
def test_counts_are_whole_unless_corrected(value: float | None, said: str) -> None:
    assert wording.count(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(900, "15 min"), (59.9999, "1 min"), (89.6, "90 s"), (20, "20 s"), (0, "0 s")],
)
def test_a_span_is_whole_minutes_or_seconds(seconds: float, said: str) -> None:
    assert wording.span(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, DASH), (0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "99 %"), (1, "100 %")],
)
def test_all_is_said_of_all_only(value: float | None, said: str) -> None:
    assert wording.share(value) == said


@pytest.mark.parametrize("condition", list(Condition))
def test_every_condition_has_words_and_a_mark(condition: Condition) -> None:
    saying = wording.say_stream(StreamState(condition), Stream.LIGHT, AT, MADRID)
    assert saying.short
    assert (saying.mark is Mark.GOOD) == (condition is Condition.OK)


def test_waiting_says_when_to_expect_a_window_and_when_at_the_latest() -> None:
    state = StreamState(
        Condition.WAITING, expected_at=AT + timedelta(minutes=15), due_by=AT + timedelta(minutes=62)
    )
    saying = wording.say_stream(state, Stream.FOOTFALL, AT, MADRID)
    assert saying.why == (
        "no whole window yet: one of usual length closes at 12:15, the longest by 13:02"
    )


def test_blind_quotes_the_flag_or_the_sensor() -> None:
    dark = StreamState(Condition.BLIND, flags=(Flag.DARK, Flag.SIMULATED))
    assert wording.say_stream(dark, Stream.FOOTFALL, AT, MADRID).why.endswith("too dark to count")
    fault = StreamState(Condition.BLIND, detail="camera fault: no frames")
    assert "no frames" in wording.say_stream(fault, Stream.FOOTFALL, AT, MADRID).why


def test_a_node_offline_says_since_when() -> None:
    saying = wording.say_link(Link.OFFLINE, AT - timedelta(hours=1), AT, MADRID)
    assert (saying.short, saying.why) == ("offline", "since 11:00")
