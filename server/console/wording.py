"""States, values and times in words: short, in the site's own time, a reason for every dash."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from contract.flags import Flag
from contract.streams import Stream
from server.api.stream_state import Condition, Link, StreamState

DASH = "–"  # noqa: RUF001 - an en dash, said as "no value" by the markup around it


class Mark(StrEnum):
    """How loud a state is; each has a shape and a word, colour comes on top."""

    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Saying:
    """A state in words: `short` in two or three, `why` as a sentence or empty."""

    mark: Mark
    short: str
    why: str = ""


STREAM_NAMES = {
    Stream.LIGHT: "Light",
    Stream.NOISE: "Noise",
    Stream.FOOTFALL: "Footfall",
    Stream.HEALTH: "Health",
    Stream.EVENT: "Events",
}
HELD_WHY = {
    "ahead": "its clock is ahead of the server's",
    "before_creation": "its clock is from before the node was created",
    "clock_unsynced": "its clock was never synchronised",
    "sealed": "it is older than what is kept",
    "short": "its counts are of less than 5 minutes, one after the other",
}
BLIND_WHY = {
    Flag.DARK: "too dark to count",
    Flag.OCCLUDED: "camera covered, frozen or moved",
    Flag.LOW_FPS: "too few frames a second",
    Flag.OVERLOAD: "the microphone clipped",
    Flag.SATURATED: "the light sensor is saturated",
}
# What the row shows already in another way.
QUIET_FLAGS = frozenset({Flag.SIMULATED, Flag.UNCALIBRATED})


def say_stream(state: StreamState, stream: Stream, at: datetime, zone: ZoneInfo) -> Saying:
    """What a stream is doing, in words for its row."""

    def when(time: datetime | None) -> str:
        return clock(time, at, zone) if time else "an unknown time"

    match state.condition:
        case Condition.OK:
            return Saying(Mark.GOOD, "measuring")
        case Condition.BLIND:
            seen = [BLIND_WHY[flag] for flag in state.flags if flag in BLIND_WHY]
            why = state.detail or ", ".join(seen) or "the node doesn't say why"
            return Saying(Mark.WARN, "blind", f"nothing measured in this window: {why}")
        case Condition.WAITING:
            # How long its windows are shows with the first whole one.
            return Saying(
                Mark.WAIT,
                "waiting",
                f"no whole window yet: one of usual length closes at {when(state.expected_at)},"
                f" the longest by {when(state.due_by)}",
            )
        case Condition.CATCHING_UP:
            return Saying(
                Mark.WAIT, "catching up", f"sending what it kept; has reached {when(state.since)}"
            )
        case Condition.HELD:
            why = HELD_WHY.get(state.held_reason or "", "their time can't be right")
            return Saying(Mark.WARN, "clock held", f"{records(state.held_n)} held: {why}")
        case Condition.SENSOR_FAULT:
            since = f" since {when(state.since)}" if state.since else ""
            return Saying(Mark.BAD, "sensor fault", f"{state.detail}{since}")
        case Condition.OFFLINE:
            return Saying(Mark.BAD, "node offline")
        case Condition.NEVER:
            return Saying(Mark.OFF, "never seen")
        case Condition.RETIRED:
            return Saying(Mark.OFF, "retired", "nothing is expected")
        case Condition.LATE:
            return Saying(Mark.BAD, "silent", _late(state, when(state.expected_at)))


def _late(state: StreamState, due: str) -> str:
    if state.since is None:
        return "nothing in the last 7 days, though the node is there"
    return f"a window was due at {due}, though the node is there"


def say_link(link: Link, heard_at: datetime | None, at: datetime, zone: ZoneInfo) -> Saying:
    """Whether a node is heard of, for the head of its card."""
    if link is Link.NEVER or heard_at is None:
        return Saying(Mark.OFF, "never seen")
    if link is Link.OFFLINE:
        return Saying(Mark.BAD, "offline", f"since {clock(heard_at, at, zone)}")
    return Saying(Mark.GOOD, "online")


def clock(time: datetime, at: datetime, zone: ZoneInfo) -> str:
    """`18:03` on the site's today, `24 Nov 18:03` on another day, with the year in another year."""
    local, today = time.astimezone(zone), at.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if abs(today - local) < timedelta(days=300):
        return f"{local.day} {local:%b %H:%M}"
    return f"{local.day} {local:%b %Y %H:%M}"


def zone_name(at: datetime, zone: ZoneInfo) -> str:
    """`Europe/Madrid, CET (UTC+01:00)`: what every time of a site is in."""
    if zone.key == "UTC":
        return "UTC"
    local = at.astimezone(zone)
    offset = f"{local:%z}"
    utc = f"UTC{offset[:3]}:{offset[3:]}" if offset.strip("+-0") else "UTC"
    letters = local.tzname() or ""
    # Zones without letters of their own are named by their offset.
    return f"{zone.key}, {utc}" if letters[:1] in "+-" else f"{zone.key}, {letters} ({utc})"


def span(seconds: float) -> str:
    """`15 min`, or `80 s` where that isn't whole minutes."""
    whole_s = round(seconds)
    return f"{whole_s} s" if whole_s % 60 or not whole_s else f"{whole_s // 60} min"


def records(count: int) -> str:
    """`1 record`, `12 records`."""
    return f"{count:,} record{'' if count == 1 else 's'}"


def lux(value: float | None) -> str:
    """Three significant digits: a lux sensor has no more to say."""
    if value is None:
        return DASH
    value = max(value, 0.0)  # a calibration's offset reaches below the dark
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{decimals}f}"


def decibel(value: float | None) -> str:
    """One decimal."""
    return DASH if value is None else f"{value:.1f}"


def count(value: float | None) -> str:
    """Whole, or one decimal when a correction made it a fraction."""
    if value is None:
        return DASH
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(value: float | None) -> str:
    """A share in percent; `100 %` only of everything, `0 %` only of nothing."""
    if value is None:
        return DASH
    percent = round(100 * value)
    if percent == 100 and value < 1:
        percent = 99
    if percent == 0 and value > 0:
        return "< 1 %"
    return f"{percent} %"
