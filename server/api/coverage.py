"""How much of today was really measured, by the hourly rollups; today is the site's own day."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from contract.streams import DEFAULT_WINDOW_S, MEASURED_STREAMS, Stream
from server.api.memo import Memo
from server.api.zones import site_zone

log = logging.getLogger(__name__)

KEEP_S = 60.0
TIMEOUT_S = 3
# What closed within this may still be on its way, so nothing is said about it yet.
ON_THE_WAY = timedelta(seconds=90)
_LONGEST_DAY = timedelta(hours=26)

# What `<stream>_1h_now` adds up to, without the epochs that make its marked hours slow to read:
# kept hours, and hours that are marked from raw. Both halves see the same marks.
# A node that sends what it kept has records from before it was first heard of: they count, so the
# time in which they were made is due as well.
VALID_TODAY = """
WITH today AS (
    SELECT * FROM unnest(%(node_ids)s::text[], %(days)s::date[], %(midnights)s::timestamptz[])
        AS t(node_id, day, midnight)
), marked AS (
    SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = %(stream)s AND hour >= %(since)s
)
SELECT node_id, sum(valid_s), (
    SELECT first.t FROM today, LATERAL (
        SELECT r.t FROM {stream}_raw r
        WHERE r.node_id = today.node_id AND r.t >= today.midnight AND r.t >= %(since)s
        ORDER BY r.t LIMIT 1
    ) first
    WHERE today.node_id = hours.node_id
) FROM (
    SELECT k.node_id, k.valid_s
    FROM {stream}_1h_kept k JOIN today ON today.node_id = k.node_id AND today.day = k.local_day
    WHERE k.hour >= %(since)s AND (k.node_id, k.hour) NOT IN (SELECT node_id, hour FROM marked)
    UNION ALL
    SELECT m.node_id, (
        SELECT sum(r.valid_s::double precision) FROM {stream}_raw r
        WHERE r.node_id = m.node_id AND r.t >= greatest(m.hour, today.midnight)
          AND r.t < m.hour + interval '1 hour'
          AND r.flags & (SELECT mask FROM rollup_barred) = 0
    )
    FROM marked m JOIN today USING (node_id)
) hours
GROUP BY node_id
"""


@dataclass(frozen=True, slots=True)
class Span:
    """What should have been measured by now: from midnight or the first sign of life.

    `windows_s` are the node's own window lengths, of the streams of which they are known.
    """

    day: date
    midnight: datetime
    since: datetime
    windows_s: Mapping[Stream, float]


def spans_today(
    at: datetime,
    zones: Mapping[str, str | None],
    first_seen: Mapping[str, datetime],
    windows_s: Mapping[str, Mapping[Stream, float]],
) -> dict[str, Span]:
    """For every node of `zones` that was ever heard of, from when its day counts."""
    spans = {}
    for node_id, first in first_seen.items():
        if node_id not in zones:
            continue
        midnight = midnight_before(at, zones[node_id])
        began = midnight.astimezone(UTC)
        own_s = windows_s.get(node_id, {})
        spans[node_id] = Span(midnight.date(), began, max(began, first), own_s)
    return spans


def midnight_before(at: datetime, tz: str | None) -> datetime:
    """The last midnight of a place, in its own time."""
    local = at.astimezone(site_zone(tz))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


class CoverageToday:
    """Coverage by node and stream, kept for a minute: it moves by a percent in that time."""

    def __init__(self) -> None:
        self._memo: Memo[dict[str, dict[Stream, float]] | None] = Memo(KEEP_S)

    def load(
        self, conn: psycopg.Connection[Any], at: datetime, spans: Mapping[str, Span]
    ) -> dict[str, dict[Stream, float]] | None:
        """Seconds measured / seconds due today, 0 to 1; absent: nothing due yet.

        With a worker that stands still every hour of today is marked, and adding them up takes too
        long: then coverage is not known (None), and all the rest is.
        """
        return self._memo.get(lambda: _load_in_time(conn, at, spans))


def _load_in_time(
    conn: psycopg.Connection[Any], at: datetime, spans: Mapping[str, Span]
) -> dict[str, dict[Stream, float]] | None:
    try:
        with conn.transaction():
            conn.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
            return coverage_today(conn, at, spans)
    except psycopg.errors.QueryCanceled:
        log.warning(
            "coverage of today not known: marked hours take over %s s; does msl work run?",
            TIMEOUT_S,
        )
        return None


def coverage_today(
    conn: psycopg.Connection[Any], at: datetime, spans: Mapping[str, Span]
) -> dict[str, dict[Stream, float]]:
    """Seconds measured / seconds due today, 0 to 1, by node and stream; absent: nothing due yet."""
    found: dict[str, dict[Stream, float]] = defaultdict(dict)
    keys = {
        "node_ids": list(spans),
        "days": [span.day for span in spans.values()],
        "midnights": [span.midnight for span in spans.values()],
        "since": at - _LONGEST_DAY,
    }
    for stream in MEASURED_STREAMS:
        rows = conn.execute(VALID_TODAY.format(stream=stream), {**keys, "stream": stream})
        measured = {node_id: (valid_s or 0.0, t) for node_id, valid_s, t in rows.fetchall()}
        for node_id, span in spans.items():
            valid_s, first_t = measured.get(node_id, (0.0, None))
            since = min(span.since, first_t or span.since)
            length_s = span.windows_s.get(stream, DEFAULT_WINDOW_S[stream])
            due_s = (_last_close(length_s, at) - since).total_seconds()
            if due_s > 0:
                found[node_id][stream] = min(valid_s / due_s, 1.0)
    return found


def _last_close(length_s: float, at: datetime) -> datetime:
    """End of the newest window that must be here by now."""
    seconds = int((at - ON_THE_WAY).timestamp()) // length_s * length_s
    return datetime.fromtimestamp(seconds, UTC)
