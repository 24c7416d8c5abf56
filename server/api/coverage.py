"""How much of today was really measured, by the hourly rollups; today is the site's own day."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from contract.streams import DEFAULT_WINDOW_S, MEASURED_STREAMS, Stream
from server.api.zones import site_zone

# What closed within this may still be on its way, so nothing is said about it yet.
ON_THE_WAY = timedelta(seconds=90)
_LONGEST_DAY = timedelta(hours=26)

_VALID_TODAY = """
SELECT h.node_id, sum(h.valid_s)
FROM {stream}_1h_now h
JOIN unnest(%(node_ids)s::text[], %(days)s::date[]) AS today(node_id, day)
  ON today.node_id = h.node_id AND today.day = h.local_day
WHERE h.hour >= %(since)s
GROUP BY h.node_id
"""


@dataclass(frozen=True, slots=True)
class Span:
    """What should have been measured by now: from midnight or the first sign of life."""

    day: Any
    since: datetime


def spans_today(
    at: datetime, zones: Mapping[str, str | None], first_seen: Mapping[str, datetime]
) -> dict[str, Span]:
    """For every node that was ever heard of, from when its day counts."""
    spans = {}
    for node_id, first in first_seen.items():
        midnight = midnight_before(at, zones.get(node_id))
        spans[node_id] = Span(midnight.date(), max(midnight.astimezone(UTC), first))
    return spans


def midnight_before(at: datetime, tz: str | None) -> datetime:
    """The last midnight of a place, in its own time."""
    local = at.astimezone(site_zone(tz))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def coverage_today(
    conn: psycopg.Connection[Any], at: datetime, spans: Mapping[str, Span]
) -> dict[str, dict[Stream, float]]:
    """Seconds measured / seconds due today, 0 to 1, by node and stream; absent: nothing due yet."""
    found: dict[str, dict[Stream, float]] = defaultdict(dict)
    keys = {
        "node_ids": list(spans),
        "days": [span.day for span in spans.values()],
        "since": at - _LONGEST_DAY,
    }
    for stream in MEASURED_STREAMS:
        rows = conn.execute(_VALID_TODAY.format(stream=stream.value), keys)
        valid_s = dict(rows.fetchall())
        for node_id, span in spans.items():
            due_s = (_last_close(stream, at) - span.since).total_seconds()
            if due_s > 0:
                found[node_id][stream] = min((valid_s.get(node_id) or 0.0) / due_s, 1.0)
    return found


def _last_close(stream: Stream, at: datetime) -> datetime:
    """End of the newest window that must be here by now."""
    length_s = DEFAULT_WINDOW_S[stream]
    seconds = int((at - ON_THE_WAY).timestamp()) // length_s * length_s
    return datetime.fromtimestamp(seconds, UTC)
