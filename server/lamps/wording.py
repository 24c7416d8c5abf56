"""Lamps in plain words: what a fault is, why the system believes it, and what to do next."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from server.lighting.episodes import Kind

KIND_WORDS = {
    Kind.LAMP_FAILURE: "lamp out",
    Kind.UNEXPECTED_ON: "burning by day",
    Kind.CYCLING: "going on and off",
    Kind.LEVEL_LOW: "too dim",
    Kind.SWITCHING_EARLY: "switching too early",
    Kind.SWITCHING_LATE: "switching too late",
    Kind.FEEDER: "section dark",
}
_MEANING = {
    Kind.LAMP_FAILURE: "It was dark outside and this lamp, which burns at such hours, gave no"
    " light.",
    Kind.UNEXPECTED_ON: "It burned while the sun was up, or went through dusk and dawn without a"
    " step in its light.",
    Kind.CYCLING: "It went on and off several times within a night.",
    Kind.LEVEL_LOW: "Lit, it gives clearly less light than when it was commissioned, night after"
    " night; snow, a dirty sensor and passing shade are taken off first.",
    Kind.SWITCHING_EARLY: "It switches earlier than the sun and its own habit have it, night after"
    " night.",
    Kind.SWITCHING_LATE: "It switches later than the sun and its own habit have it, night after"
    " night.",
    Kind.FEEDER: "It went dark together with others of its feeder, so that the supply is likelier"
    " than the lamps.",
}
_NEXT = {
    Kind.LAMP_FAILURE: "Look at the lamp; if neighbours are dark too, at the feeder first.",
    Kind.UNEXPECTED_ON: "Look at the photocell or the contactor.",
    Kind.CYCLING: "Look at the lamp's end of life and its ballast or driver.",
    Kind.LEVEL_LOW: "Clean the luminaire, then compare with the survey.",
    Kind.SWITCHING_EARLY: "Look at the photocell and the schedule.",
    Kind.SWITCHING_LATE: "Look at the photocell and the schedule.",
    Kind.FEEDER: "Look at the feeder pillar: fuse, contactor, cable.",
}
STATE_WORDS = {
    "lit": "lit",
    "out": "dark though it is night",
    "day": "day: nothing to tell",
    "can't tell": "can't tell",
    "no data": "no light record",
}
STATUS_WORDS = {
    "open": "open",
    "acknowledged": "acknowledged",
    "over": "over",
    "closed": "closed by hand",
    "retracted": "retracted: the light, looked at again, doesn't say so",
}


def kind_words(kind: str) -> str:
    """A fault in two or three words."""
    return KIND_WORDS[Kind(kind)]


def next_step(kind: str) -> str:
    """What to look at first."""
    return _NEXT[Kind(kind)]


def present(state: Mapping[str, Any], zone: ZoneInfo) -> str:
    """What a lamp does, in a sentence; `state` has state, at_t, since_t and learned."""
    words = STATE_WORDS[state["state"] or "no data"]
    if state["at_t"] is None:
        return "No light record of it has come yet."
    at = clock(state["at_t"], zone)
    if not state["learned"]:
        return (
            f"Newest record {at}. It was not seen switching often enough yet, so nothing is said"
            " of it: a lamp is known by a week or two of dusks and dawns."
        )
    since = f" since {clock(state['since_t'], zone)}" if state["since_t"] is not None else ""
    return f"{words[0].upper()}{words[1:]}{since}, by its record of {at}."


def why(episode: Mapping[str, Any], zone: ZoneInfo) -> list[str]:
    """Why an episode is believed, sentence by sentence."""
    kind = Kind(episode["kind"])
    begin = clock(episode["from_t"], zone)
    if episode["to_t"] is None:
        span = f"From {begin} on, and it lasts."
    else:
        span = f"From {begin} to {clock(episode['to_t'], zone)}" + (
            f": {episode['closed_by']}." if episode["closed_by"] else "."
        )
    said = [_MEANING[kind], span]
    if episode["evidence"]:
        said.append(f"Seen: {evidence(episode['evidence'], zone)}.")
    if episode["lamps"]:
        said.append(f"Dark together: {', '.join(episode['lamps'])}.")
    said.append(
        f"Told from light alone (optical-inferred), first sure at"
        f" {clock(episode['raised_t'], zone)}, confidence {episode['confidence']:.2f} of 1."
    )
    return said


def evidence(found: Mapping[str, Any], zone: ZoneInfo) -> str:
    """What the detector went by, with times as times."""
    return ", ".join(
        f"{_name(name)} {_value(name, value, zone)}" for name, value in sorted(found.items())
    )


def names(nodes: Sequence[str], most: int = 5) -> str:
    """A few names, and how many more."""
    few = ", ".join(nodes[:most])
    return few if len(nodes) <= most else f"{few} and {len(nodes) - most} more"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """A time in the site's own zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _name(name: str) -> str:
    for ending, unit in (("_min", "minutes"), ("_deg", "degrees"), ("_lx", "lx"), ("_s", "s")):
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} ({unit})"
    return name.replace("_", " ")


def _value(name: str, value: Any, zone: ZoneInfo) -> str:
    # A number that can only be a moment is shown as one.
    if isinstance(value, int | float) and value > 1e9:
        return clock(datetime.fromtimestamp(value, zone), zone)
    return f"{value:g}" if isinstance(value, float) else str(value)
