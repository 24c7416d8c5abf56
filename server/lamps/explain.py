"""What is known of one lamp, in plain words, and the picture of its last nights."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from server.api.zones import site_zone
from server.lamps import duty, plot, read, wording
from server.lamps.plot import Span
from server.lighting.episodes import SOURCE


@dataclass(frozen=True)
class Told:
    """One episode in words, and what people did about it."""

    episode: duty.Row
    title: str
    status: str
    sentences: list[str]
    next_step: str
    trail: list[duty.Row]


@dataclass(frozen=True)
class Explained:
    """One lamp, explained."""

    lamp: read.Row
    zone: ZoneInfo
    present: str
    habit: str
    told: list[Told]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "node": self.lamp["node_id"],
            "state": self.lamp["state"],
            "source": SOURCE,
            "present": self.present,
            "habit": self.habit,
            "episodes": [
                {
                    "episode": one.episode["episode_id"],
                    "kind": one.episode["kind"],
                    "status": one.episode["status"],
                    "from": one.episode["from_t"],
                    "to": one.episode["to_t"],
                    "why": one.sentences,
                    "next_step": one.next_step,
                    "trail": one.trail,
                }
                for one in self.told
            ],
        }


def explain(conn: psycopg.Connection, node: str, now: datetime, most: int = 20) -> Explained:
    """What is known of `node` and why; raises `NotFound` when it watches no lamp."""
    lamp = read.lamp(conn, node)
    zone = site_zone(lamp["tz"])
    nights = read.nights(conn, now.date() - timedelta(days=15), now.date(), node)
    told = [
        Told(
            episode=row,
            title=f"{wording.kind_words(row['kind'])} ({row['kind']})",
            status=wording.STATUS_WORDS[row["status"]],
            sentences=wording.why(row, zone),
            next_step=wording.next_step(row["kind"]),
            trail=duty.trail(conn, row["episode_id"]),
        )
        for row in duty.episodes(conn, node=node, limit=most)
    ]
    return Explained(lamp, zone, wording.present(lamp, zone), _habit(nights), told)


def picture(conn: psycopg.Connection, node: str, begin: datetime, end: datetime) -> str:
    """The lamp's light from `begin` to `end` as SVG, with what was told from it."""
    lamp = read.lamp(conn, node)
    zone = site_zone(lamp["tz"])
    nights = read.nights(conn, begin.date() - timedelta(days=1), end.date(), node)
    episodes = [
        Span(row["from_t"], row["to_t"] or end, wording.kind_words(row["kind"]))
        for row in duty.episodes(conn, node=node)
        if row["status"] != "retracted"
    ]
    simulated = ", SIMULATED" if lamp["simulated"] else ""
    return plot.draw(
        read.light(conn, node, begin, end), begin, end, zone,
        nights=[Span(row["dark_from_t"], row["dark_to_t"], "sun under -6 degrees")
                for row in nights if row["dark_from_t"] is not None],
        lit=_spans(nights, "lit", "told lit"),
        dark=_spans(nights, "dark", "told dark"),
        episodes=episodes,
        title=f"Light at {node}{simulated}, {begin.astimezone(zone):%d %b} to"
        f" {end.astimezone(zone):%d %b %Y}",
    )  # fmt: skip


def _spans(nights: Sequence[read.Row], column: str, words: str) -> list[Span]:
    return [Span(r.lower, r.upper, words) for row in nights for r in row[column]]


def _habit(nights: Sequence[read.Row]) -> str:
    known = [row for row in nights if row["habit_on_deg"] is not None]
    if not known:
        return "Its habit of switching isn't known yet."
    last = known[-1]
    off = last["habit_off_deg"]
    return (
        f"It switches on when the sun is at {last['habit_on_deg']:.1f} degrees"
        + (f" and off at {off:.1f}" if off is not None else "")
        + "; "
        + (
            f"lit, it gives {last['level']:.0%} of its level when commissioned."
            if last["level"] is not None
            else "its level isn't known of these nights."
        )
    )
