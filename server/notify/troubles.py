"""What is wrong now with lamps, nodes and streams, in words; nothing of it is about people."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from contract.streams import Stream
from server.api.fleet import Node, load_fleet
from server.api.stream_state import Condition, node_link, stream_state
from server.api.zones import site_zone
from server.console import wording as console
from server.console.wording import Mark
from server.lamps import duty, talq, wording

_STREAMS = (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL, Stream.HEALTH)
# A node of these states is expected to speak.
_IN_SERVICE = ("commissioned", "installed")


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: what, since when, and how it would be said."""

    subject: str
    about: str
    begun_t: datetime
    node_id: str
    site_id: str | None
    tz: str | None
    urgent: bool
    acknowledged: bool
    text: str
    payload: dict[str, Any]


def troubles(conn: psycopg.Connection, silent_after: timedelta, now: datetime) -> list[Trouble]:
    """Everything that is wrong now."""
    return [*lamp_troubles(conn, now), *silences(conn, silent_after, now)]


def lamp_troubles(conn: psycopg.Connection, now: datetime) -> list[Trouble]:
    """Open episodes, each once, whoever has acknowledged it."""
    found = []
    for one in duty.duty_list(conn, at=now):
        row = one.episode
        zone = site_zone(row["tz"])
        simulated = "SIMULATED " if row["simulated"] else ""
        text = (
            f"{simulated}{row['site']}, {row['node_id']}: {wording.kind_words(row['kind'])} since"
            f" {wording.clock(row['from_t'], zone)}. {wording.next_step(row['kind'])}"
            f" (episode {row['episode_id']}, {one.points:g} points, told from light)"
        )
        found.append(
            Trouble(
                subject=f"episode/{row['episode_id']}", about="lamp", begun_t=row["told_at"],
                node_id=row["node_id"], site_id=row["site_id"], tz=row["tz"], urgent=one.urgent,
                acknowledged=row["status"] == "acknowledged", text=text,
                payload=talq.log_report(row, begun=True, at=now, words=text),
            )
        )  # fmt: skip
    return found


def silences(conn: psycopg.Connection, silent_after: timedelta, now: datetime) -> list[Trouble]:
    """Nodes that are offline, and streams that stay away from nodes that aren't."""
    found = []
    for node in load_fleet(conn).nodes:
        if node.row.state not in _IN_SERVICE:
            continue
        link, heard_at = node_link(node, now)
        zone = site_zone(node.row.tz)
        said = console.say_link(link, heard_at, now, zone)
        if said.mark is Mark.BAD:
            if heard_at is not None and now - heard_at >= silent_after:
                found.append(_silence(node, "", heard_at, f"{said.short} {said.why}".strip()))
            continue
        for stream in _STREAMS:
            state = stream_state(node, stream, now)
            if state.condition in (Condition.OK, Condition.WAITING, Condition.CATCHING_UP):
                continue
            if state.since is None or now - state.since < silent_after:
                continue
            words = console.say_stream(state, stream, now, zone)
            if words.mark not in (Mark.BAD, Mark.WARN):
                continue
            what = f"{stream} {words.short}, {words.why}".strip(", ")
            found.append(_silence(node, stream.value, state.since, what))
    return found


def _silence(node: Node, stream: str, since: datetime, words: str) -> Trouble:
    simulated = "SIMULATED " if node.row.simulated else ""
    place = node.row.site_name or "nowhere"
    text = f"{simulated}{place}, {node.row.node_id}: {words}"
    subject = f"stream/{node.row.node_id}/{stream}" if stream else f"node/{node.row.node_id}"
    return Trouble(
        subject=subject, about="stream" if stream else "node", begun_t=since,
        node_id=node.row.node_id, site_id=node.row.site_id, tz=node.row.tz, urgent=False,
        acknowledged=False, text=text,
        payload={"subject": subject, "node": node.row.node_id, "site": node.row.site_id,
                 "stream": stream or None, "since": since.isoformat(), "words": words},
    )  # fmt: skip
