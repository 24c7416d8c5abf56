"""What can be said about one stream of one node right now: measuring, blind, late, silent, and why.

Pure: from a snapshot and a time to a verdict. Health comes from the data's own freshness, not from
a heartbeat: a node that is connected and measures nothing is not well.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import gcd

from contract.flags import Flag, bits_to_flags
from contract.limits import MAX_WINDOW_S
from contract.streams import DEFAULT_WINDOW_S, Stream
from server.api.fleet import LatestRecord, Node, SensorNote

# Beyond the close of the window that should have come: spooling, a batch, the broker, a commit.
GRACE = timedelta(seconds=60)
# Three windows of health: a node that says nothing this long is not there.
OFFLINE_AFTER = timedelta(seconds=180)
# Ledger fresher than this while the newest record is old: the node is sending what it kept.
CATCHING_UP = timedelta(seconds=120)

# Nodes name a sensor's state by its stream; the spool's stands behind every stream.
SPOOL = "spool"
# A sensor that is starting has no fault yet.
WELL = frozenset({"ok", "starting"})
# Flags that say by themselves why nothing was measured.
BLINDING = frozenset({Flag.DARK, Flag.OCCLUDED, Flag.LOW_FPS, Flag.OVERLOAD, Flag.SATURATED})


class Link(StrEnum):
    """Whether a node is heard of."""

    ONLINE = "online"
    OFFLINE = "offline"
    NEVER = "never"


class Condition(StrEnum):
    """What a stream is doing."""

    OK = "ok"  # the newest window is there and measured
    BLIND = "blind"  # windows arrive, with nothing measured in them
    WAITING = "waiting"  # no whole window yet, and a long one may still be open
    CATCHING_UP = "catching_up"  # old records are arriving, newest is not yet here
    LATE = "late"  # the node is there, this stream is not
    HELD = "held"  # records arrive, but their time is not to be believed
    SENSOR_FAULT = "sensor_fault"  # and the node says so
    OFFLINE = "offline"  # the node itself is silent
    NEVER = "never"  # nothing was ever received
    RETIRED = "retired"  # nothing is expected


@dataclass(frozen=True, slots=True)
class StreamState:
    """A verdict. `detail` quotes the node; times are aware UTC.

    `since` is when the last believed window ended, or when the silence began to count;
    `expected_at` when the next record is due. Until a whole window has shown how long a node's are,
    that is for the usual length, and `due_by` for the longest that it can be.
    """

    condition: Condition
    since: datetime | None = None
    expected_at: datetime | None = None
    due_by: datetime | None = None
    detail: str | None = None
    flags: tuple[Flag, ...] = ()
    held_n: int = 0
    held_reason: str | None = None
    missing_n: int = 0


def node_link(node: Node, at: datetime) -> tuple[Link, datetime | None]:
    """Whether the node is heard of, and when it last was.

    Its will says so at once when a connection breaks; a record received after the will wins.
    """
    heard = [entry.last_at for entry in node.ledger.values()]
    if node.row.link_at is not None and node.row.link == "online":
        heard.append(node.row.link_at)
    if not heard:
        return (Link.NEVER, None)
    last = max(heard)
    will = node.row.link_at if node.row.link == "offline" else None
    gone = at - last > OFFLINE_AFTER or (will is not None and will > last)
    return (Link.OFFLINE if gone else Link.ONLINE, last)


def stream_state(node: Node, stream: Stream, at: datetime) -> StreamState:
    """What `stream` is doing, and why when it isn't measuring."""
    entry, record = node.ledger.get(stream), node.latest.get(stream)
    due = _due(stream, record)
    known = StreamState(
        Condition.LATE,
        since=record.closes_at if record else None,
        expected_at=due,
        held_n=entry.held_n if entry else 0,
        held_reason=entry.held_reason if entry else None,
        missing_n=entry.missing_n if entry else 0,
    )
    if node.row.state == "retired":
        return replace(known, condition=Condition.RETIRED, expected_at=None)
    # A long window may be whole and its node gone: then nothing is being measured now.
    there = node_link(node, at)[0] is not Link.OFFLINE
    if there and record is not None and due is not None and at <= due + GRACE:
        return _measuring(known, stream, node, record, at)
    return _silent(known, node, stream, at)


def _measuring(
    known: StreamState, stream: Stream, node: Node, record: LatestRecord, at: datetime
) -> StreamState:
    flags = tuple(bits_to_flags(record.flags))
    if record.valid_s > 0:
        return replace(known, condition=Condition.OK, flags=flags)
    fault = sensor_fault(node.sensors, stream)
    if fault is None and Flag.PARTIAL in flags and not BLINDING.intersection(flags):
        # Cut short by a start, before the sensor had settled.
        return _still_open(known, record.closes_at + _longest_after(record), at)
    return replace(
        known, condition=Condition.BLIND, flags=flags, detail=_quote(fault) if fault else None
    )


def _silent(known: StreamState, node: Node, stream: Stream, at: datetime) -> StreamState:
    """Why the window that is due isn't here; the cause nearest to the node's heart first."""
    entry, record = node.ledger.get(stream), node.latest.get(stream)
    link, heard_at = node_link(node, at)
    if link is Link.NEVER:
        return replace(known, condition=Condition.NEVER)
    if link is Link.OFFLINE:
        return replace(known, condition=Condition.OFFLINE, since=heard_at, expected_at=None)
    if stream is Stream.EVENT:
        # Silence here means that nothing happened.
        return replace(known, condition=Condition.OK)
    arriving_at = entry.last_at if entry and at - entry.last_at <= CATCHING_UP else None
    if arriving_at and known.held_n and (not record or arriving_at > record.received_at):
        return replace(known, condition=Condition.HELD)
    fault = sensor_fault(node.sensors, stream)
    if fault is not None:
        return replace(
            known, condition=Condition.SENSOR_FAULT, since=fault.since, detail=_quote(fault)
        )
    if arriving_at and record is not None and record.received_at - record.closes_at > GRACE:
        return replace(known, condition=Condition.CATCHING_UP)
    if record is None and entry is None:
        return _first_window(known, node, stream, at)
    if record is not None and Flag.PARTIAL in bits_to_flags(record.flags):
        return _still_open(known, record.closes_at + _longest_after(record), at)
    return known


def sensor_fault(sensors: tuple[SensorNote, ...], stream: Stream) -> SensorNote | None:
    """What the node says is wrong with the sensor behind `stream`, or else with its spool."""
    unwell = {note.sensor: note for note in sensors if note.state not in WELL}
    return unwell.get(stream.value) or unwell.get(SPOOL)


def _first_window(known: StreamState, node: Node, stream: Stream, at: datetime) -> StreamState:
    """Nothing of this stream yet: too early, or wrong."""
    length_s = DEFAULT_WINDOW_S[stream]
    heard = [entry.first_at for entry in node.ledger.values()]
    if node.row.link_at is not None:
        heard.append(node.row.link_at)
    started = min(heard)
    known = replace(known, since=started, expected_at=next_close(started, length_s))
    return _still_open(known, started + timedelta(seconds=MAX_WINDOW_S), at)


def _still_open(known: StreamState, due_by: datetime, at: datetime) -> StreamState:
    """Waiting while the longest window that there can be is open, late after it."""
    if at > due_by + GRACE:
        expected_at = max(known.expected_at or due_by, due_by)
        return replace(known, condition=Condition.LATE, expected_at=expected_at)
    return replace(known, condition=Condition.WAITING, due_by=due_by)


def _longest_after(record: LatestRecord) -> timedelta:
    """How long a window after one that was cut short can be.

    A length divides the day and its windows end on multiples of it, so what ends at 18:01 is of
    no more than a minute, and only what ends on the hour can be of an hour.
    """
    return timedelta(seconds=min(gcd(int(record.closes_at.timestamp()), 86_400), MAX_WINDOW_S))


def next_close(after: datetime, length_s: int) -> datetime:
    """The first UTC multiple of `length_s` after a time: windows are cut there."""
    return datetime.fromtimestamp((int(after.timestamp()) // length_s + 1) * length_s, UTC)


def _due(stream: Stream, record: LatestRecord | None) -> datetime | None:
    """When the window after `record` closes; None without one, and for events."""
    if record is None:
        return None
    # A first or last window is cut short and says nothing about the next one's length.
    length_s = max(DEFAULT_WINDOW_S[stream], record.dur_s)
    return record.closes_at + timedelta(seconds=length_s)


def _quote(note: SensorNote) -> str:
    said = note.state.replace("_", " ")
    subject = f"{SPOOL} " if note.sensor == SPOOL else ""
    return f"{subject}{said}" + (f": {note.detail}" if note.detail else "")
