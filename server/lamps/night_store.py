"""Lamps' nights and present states in the database: what pages, indicators and dashboards read."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import TimestamptzRange

from server.lighting.lamp_night import LampNight

_NIGHT = (
    "noon_t", "dark_from_t", "dark_to_t", "lit", "dark", "on_t", "on_deg", "off_t", "off_deg",
    "expected_on_t", "expected_off_t", "habit_on_deg", "habit_off_deg", "level", "level_lx",
    "coverage", "burning_s", "switch_ons", "site_id",
)  # fmt: skip
_KEEP_NIGHT = f"""
INSERT INTO lamp_night AS k (node_id, night, {", ".join(_NIGHT)})
VALUES (%(node_id)s, %(night)s, {", ".join(f"%({name})s" for name in _NIGHT)})
ON CONFLICT (node_id, night) DO UPDATE
SET ({", ".join(_NIGHT)}) = ROW({", ".join(f"excluded.{name}" for name in _NIGHT)})
WHERE ({", ".join(f"k.{name}" for name in _NIGHT)})
      IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _NIGHT)})
"""  # noqa: S608 - names from the tuple above
_KEEP_STATE = """
INSERT INTO lamp_state AS k (node_id, state, at_t, since_t, learned)
VALUES (%(node)s, %(state)s, %(at_t)s, %(since_t)s, %(learned)s)
ON CONFLICT (node_id) DO UPDATE
SET state = excluded.state, at_t = excluded.at_t, since_t = excluded.since_t,
    learned = excluded.learned,
    changed_at = CASE WHEN k.state = excluded.state THEN k.changed_at ELSE now() END
WHERE (k.state, k.at_t, k.since_t, k.learned)
      IS DISTINCT FROM (excluded.state, excluded.at_t, excluded.since_t, excluded.learned)
"""


def keep_nights(
    conn: psycopg.Connection, site_id: str, zone: ZoneInfo, nights: Iterable[LampNight]
) -> int:
    """Keep nights as they are told now; those that are so already cost no write."""
    rows = [_row(site_id, zone, night) for night in nights]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(_KEEP_NIGHT, rows)
    return len(rows)


def keep_state(
    conn: psycopg.Connection,
    node: str,
    state: str,
    *,
    at_s: int | None,
    since_s: int | None,
    learned: bool,
) -> None:
    """Keep what a lamp is doing now."""
    values = {
        "node": node, "state": state, "at_t": _time(at_s), "since_t": _time(since_s),
        "learned": learned,
    }  # fmt: skip
    conn.execute(_KEEP_STATE, values)


def night_date(noon_s: int, zone: ZoneInfo) -> date:
    """Local date on which the night from this solar noon begins."""
    return datetime.fromtimestamp(noon_s, zone).date()


def _row(site_id: str, zone: ZoneInfo, night: LampNight) -> dict[str, object]:
    return {
        "node_id": night.node,
        "night": night_date(night.noon_s, zone),
        "site_id": site_id,
        "noon_t": _time(night.noon_s),
        "dark_from_t": _time(night.dark_from_s),
        "dark_to_t": _time(night.dark_to_s),
        "lit": _spans(night.lit),
        "dark": _spans(night.dark),
        "on_t": _time(night.on_s),
        "on_deg": night.on_deg,
        "off_t": _time(night.off_s),
        "off_deg": night.off_deg,
        "expected_on_t": _time(night.expected_on_s),
        "expected_off_t": _time(night.expected_off_s),
        "habit_on_deg": night.habit_on_deg,
        "habit_off_deg": night.habit_off_deg,
        "level": night.level,
        "level_lx": night.level_lx,
        "coverage": night.coverage,
        "burning_s": night.burning_s,
        "switch_ons": night.switch_ons,
    }


def _spans(spans: Sequence[tuple[int, int]]) -> TimestamptzMultirange:
    return TimestamptzMultirange([TimestamptzRange(_time(a), _time(b)) for a, b in spans])


def _time(at_s: int | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
