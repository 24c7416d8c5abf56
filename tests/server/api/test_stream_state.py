"""Why a stream is silent: one verdict for every way in which it can be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.flags import Flag, flags_to_bits
from contract.streams import Stream
from server.api.fleet import LatestRecord, LedgerRow, Node, NodeRow, SensorNote
from server.api.stream_state import Condition, Link, node_link, stream_state

AT = datetime(2026, 3, 1, 18, 5, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ROW = NodeRow(
    "lamp-01", "lab", "commissioned", False, AT - 30 * 1440 * MINUTE, "plaza", "Plaza",
    "Europe/Madrid", None, None,
)  # fmt: skip


def entry(stream: Stream, last_at: datetime, **counts: Any) -> LedgerRow:
    return LedgerRow(
        "lamp-01", stream.value, "abcdefgh", counts.pop("first_at", last_at), last_at, last_at,
        complete_to=9, stored_n=9, missing_n=0, rejected_n=0, lost_n=0,
        held_n=counts.pop("held_n", 0), **counts,
    )  # fmt: skip


def record(closed: datetime, dur_s: float = 60, **changes: Any) -> LatestRecord:
    plain = LatestRecord(
        "lamp-01", closed - timedelta(seconds=dur_s), closed + SECOND, dur_s, dur_s, 0, {}
    )
    return replace(plain, **changes)


def node(
    stream: Stream = Stream.LIGHT,
    latest: LatestRecord | None = None,
    *,
    heard: datetime | None = AT - 10 * SECOND,
    own: LedgerRow | None = None,
    sensors: tuple[SensorNote, ...] = (),
    **row: Any,
) -> Node:
    """A node whose health was last heard at `heard`, and one stream of it."""
    ledger = {} if heard is None else {Stream.HEALTH: entry(Stream.HEALTH, heard)}
    if own is not None:
        ledger[stream] = own
    elif latest is not None:
        ledger[stream] = entry(stream, latest.received_at)
    return Node(replace(ROW, **row), ledger, {} if latest is None else {stream: latest}, sensors)


def condition(of: Node, stream: Stream = Stream.LIGHT, at: datetime = AT) -> Condition:
    return stream_state(of, stream, at).condition


def test_a_window_that_closed_lately_is_measuring() -> None:
    assert condition(node(latest=record(AT - MINUTE))) is Condition.OK


@pytest.mark.parametrize(("late_s", "said"), [(0, Condition.OK), (1, Condition.LATE)])
def test_a_stream_is_late_one_window_and_the_grace_after_its_last(
    late_s: int, said: Condition
) -> None:
    closed = AT - 2 * MINUTE - late_s * SECOND
    assert condition(node(latest=record(closed))) is said


def test_footfall_is_not_late_within_its_quarter_of_an_hour() -> None:
    latest = record(AT - 14 * MINUTE, dur_s=900)
    assert condition(node(Stream.FOOTFALL, latest), Stream.FOOTFALL) is Condition.OK


def test_a_first_window_cut_short_does_not_shorten_the_next() -> None:
    latest = record(AT - 14 * MINUTE, dur_s=40)
    assert condition(node(Stream.FOOTFALL, latest), Stream.FOOTFALL) is Condition.OK


def test_a_window_without_a_measured_second_is_blind_with_the_sensor_s_reason() -> None:
    latest = record(AT - MINUTE, valid_s=0, flags=flags_to_bits([Flag.OCCLUDED]))
    sensors = (SensorNote("light", "no_answer", AT, "i2c address 0x44"),)
    state = stream_state(node(latest=latest, sensors=sensors), Stream.LIGHT, AT)
    assert (state.condition, state.flags) == (Condition.BLIND, (Flag.OCCLUDED,))
    assert state.detail == "no answer: i2c address 0x44"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([Flag.PARTIAL], Condition.WAITING),
        ([Flag.PARTIAL, Flag.SIMULATED], Condition.WAITING),
        ([Flag.PARTIAL, Flag.OVERLOAD], Condition.BLIND),
        ([], Condition.BLIND),
    ],
)
def test_a_first_window_too_short_for_a_sensor_to_settle_is_no_blindness(
    flags: list[Flag], said: Condition
) -> None:
    latest = record(AT - 10 * SECOND, dur_s=0.7, valid_s=0, flags=flags_to_bits(flags))
    assert condition(node(Stream.NOISE, latest), Stream.NOISE) is said


def test_footfall_s_first_window_closes_at_the_next_quarter() -> None:
    started = datetime(2026, 3, 1, 18, 2, tzinfo=UTC)
    new = node(Stream.FOOTFALL, heard=started)
    state = stream_state(new, Stream.FOOTFALL, started + 2 * MINUTE)
    assert state.condition is Condition.WAITING
    assert state.expected_at == datetime(2026, 3, 1, 18, 15, tzinfo=UTC)
    assert state.due_by == datetime(2026, 3, 1, 19, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("heard_s", "said"),
    [(1860, Condition.WAITING), (3660, Condition.WAITING), (3661, Condition.LATE)],
    ids=["an hour's window", "the grace", "after both"],
)
def test_a_first_window_is_late_when_the_longest_would_have_come(
    heard_s: int, said: Condition
) -> None:
    fresh = node(Stream.FOOTFALL, heard=AT)
    ledger = {Stream.HEALTH: entry(Stream.HEALTH, AT, first_at=AT - heard_s * SECOND)}
    assert condition(replace(fresh, ledger=ledger), Stream.FOOTFALL) is said


def test_a_late_first_window_was_due_when_the_longest_was() -> None:
    started = AT - 90 * MINUTE
    ledger = {Stream.HEALTH: entry(Stream.HEALTH, AT, first_at=started)}
    state = stream_state(replace(node(heard=AT), ledger=ledger), Stream.FOOTFALL, AT)
    assert (state.condition, state.expected_at) == (Condition.LATE, started + 60 * MINUTE)


@pytest.mark.parametrize(
    ("closed", "minutes", "said"),
    [
        ((18, 0), 16, Condition.OK),
        ((18, 0), 17, Condition.WAITING),
        ((18, 0), 61, Condition.WAITING),
        ((18, 0), 62, Condition.LATE),
        ((18, 15), 17, Condition.LATE),  # no hour's window ends here
    ],
)
def test_after_a_window_cut_short_the_next_may_be_as_long_as_its_end_allows(
    closed: tuple[int, int], minutes: int, said: Condition
) -> None:
    at = datetime(2026, 3, 1, *closed, tzinfo=UTC)
    cut = record(at, dur_s=40, flags=flags_to_bits([Flag.PARTIAL]))
    now = at + minutes * MINUTE
    state = stream_state(node(Stream.FOOTFALL, cut, heard=now), Stream.FOOTFALL, now)
    assert state.condition is said
    assert (state.due_by is not None) == (said is Condition.WAITING)


def test_a_node_that_was_never_heard_of_is_never_seen() -> None:
    silent = node(heard=None)
    assert condition(silent) is Condition.NEVER
    assert node_link(silent, AT) == (Link.NEVER, None)


def test_a_silent_node_explains_all_its_streams() -> None:
    gone = node(latest=record(AT - 20 * MINUTE), heard=AT - 15 * MINUTE)
    state = stream_state(gone, Stream.LIGHT, AT)
    assert (state.condition, state.since) == (Condition.OFFLINE, AT - 15 * MINUTE)


def test_a_will_makes_it_offline_at_once_until_a_later_record() -> None:
    willed = node(heard=AT - 20 * SECOND, link="offline", link_at=AT - 10 * SECOND)
    assert node_link(willed, AT)[0] is Link.OFFLINE
    back = node(heard=AT - 5 * SECOND, link="offline", link_at=AT - 10 * SECOND)
    assert node_link(back, AT)[0] is Link.ONLINE


def test_online_without_data_for_three_minutes_is_offline() -> None:
    birth = node(heard=None, link="online", link_at=AT - 200 * SECOND)
    assert node_link(birth, AT)[0] is Link.OFFLINE


def test_a_sensor_fault_is_the_reason_when_the_node_itself_is_there() -> None:
    sensors = (
        SensorNote("light", "ok", None, None),
        SensorNote("noise", "mic_blocked", AT - 60 * MINUTE, "no samples"),
    )
    broken = node(Stream.NOISE, record(AT - 60 * MINUTE), sensors=sensors)
    state = stream_state(broken, Stream.NOISE, AT)
    assert (state.condition, state.since) == (Condition.SENSOR_FAULT, AT - 60 * MINUTE)
    assert condition(node(latest=record(AT - MINUTE), sensors=sensors)) is Condition.OK


def test_a_sensor_that_is_starting_has_no_fault_and_a_broken_spool_is_everybody_s() -> None:
    latest = record(AT - 60 * MINUTE)
    starting = node(latest=latest, sensors=(SensorNote("light", "starting", AT, None),))
    assert condition(starting) is Condition.LATE
    full = node(latest=latest, sensors=(SensorNote("spool", "disk_full", AT, None),))
    assert stream_state(full, Stream.LIGHT, AT).detail == "spool disk full"


def test_a_whole_window_of_a_node_that_is_gone_is_not_measuring() -> None:
    gone = node(Stream.FOOTFALL, record(AT - 4 * MINUTE, dur_s=900), heard=AT - 4 * MINUTE)
    assert condition(gone, Stream.FOOTFALL) is Condition.OFFLINE


def test_records_that_arrive_held_explain_the_silence() -> None:
    own = entry(Stream.LIGHT, AT, held_n=4, held_reason="clock_unsynced")
    state = stream_state(node(latest=record(AT - 60 * MINUTE), own=own), Stream.LIGHT, AT)
    assert (state.condition, state.held_n, state.held_reason) == (
        Condition.HELD,
        4,
        "clock_unsynced",
    )


def test_old_records_that_arrive_now_are_catching_up() -> None:
    latest = record(AT - 3 * 60 * MINUTE, received_at=AT)
    state = stream_state(node(latest=latest), Stream.LIGHT, AT)
    assert (state.condition, state.since) == (Condition.CATCHING_UP, latest.closes_at)


def test_events_are_not_late_for_lack_of_events() -> None:
    assert condition(node(), Stream.EVENT) is Condition.OK


def test_nothing_is_expected_of_a_retired_node() -> None:
    assert condition(node(heard=None, state="retired")) is Condition.RETIRED
