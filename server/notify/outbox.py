"""What is to be said to whom, once each, kept in the database until it is said.

A trouble is told when it begins and when it is over, never in between; what is over before it
could be said (quiet hours) is never said. Nobody's having acknowledged it is told once, to those
who are there for that.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from server.api.zones import site_zone
from server.lamps import duty, talq
from server.lamps.wording import STATUS_WORDS
from server.notify.channels import Channel, Channels, NotifyError
from server.notify.quiet_hours import sayable_at
from server.notify.send import NotSent, send_report, send_text
from server.notify.troubles import Trouble, troubles
from server.registry.errors import NotFound

log = logging.getLogger("msl.notify")
Row = dict[str, Any]

_RETRY = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
_GIVE_UP = timedelta(hours=24)
_KEPT = timedelta(days=400)

_NOTE = """
INSERT INTO notice (subject, about, event, begun_t, site_id, node_id, urgent, text, payload,
                    created_at)
VALUES (%(subject)s, %(about)s, %(event)s, %(begun_t)s, %(site_id)s, %(node_id)s, %(urgent)s,
        %(text)s, %(payload)s, %(now)s)
ON CONFLICT (subject, begun_t, event) DO NOTHING RETURNING notice_id
"""
_ADDRESS = """
INSERT INTO notice_delivery (notice_id, channel, due_at) VALUES (%s, %s, %s)
ON CONFLICT DO NOTHING
"""
_LASTING = """
SELECT b.*, s.tz FROM notice AS b LEFT JOIN site AS s USING (site_id)
WHERE b.event = 'begun' AND NOT EXISTS (
    SELECT FROM notice AS o WHERE o.subject = b.subject AND o.begun_t = b.begun_t
      AND o.event = 'over')
"""
_TOLD = """
SELECT DISTINCT d.channel FROM notice AS n JOIN notice_delivery AS d USING (notice_id)
WHERE n.subject = %s AND n.begun_t = %s AND d.sent_at IS NOT NULL
"""
_DROP = """
UPDATE notice_delivery AS d SET dropped_at = %s, last_error = 'over before it was said'
FROM notice AS n WHERE n.notice_id = d.notice_id AND n.subject = %s AND n.begun_t = %s
  AND d.sent_at IS NULL AND d.dropped_at IS NULL
"""
_DUE = """
SELECT d.channel, d.tries_n, n.* FROM notice_delivery AS d JOIN notice AS n USING (notice_id)
WHERE d.sent_at IS NULL AND d.dropped_at IS NULL AND d.due_at <= %s
ORDER BY d.channel, n.urgent DESC, n.notice_id
"""
_FORGET = """
DELETE FROM notice AS n WHERE n.created_at < %s AND EXISTS (
    SELECT FROM notice AS o WHERE o.subject = n.subject AND o.begun_t = n.begun_t
      AND o.event = 'over')
"""


def notify(conn: psycopg.Connection, channels: Channels, now: datetime) -> int:
    """Note what is new, send what is due; returns how many deliveries were made."""
    silent_after = timedelta(minutes=channels.silent_after_min)
    note(conn, channels, troubles(conn, silent_after, now), now)
    conn.execute(_FORGET, [now - _KEPT])
    return deliver(conn, channels, now)


def note(
    conn: psycopg.Connection, channels: Channels, current: Sequence[Trouble], now: datetime
) -> None:
    """Put what has begun, is unacknowledged for long, or is over, into the outbox."""
    with conn.transaction():
        lasting = {
            (row["subject"], row["begun_t"]): row
            for row in conn.cursor(row_factory=dict_row).execute(_LASTING).fetchall()
        }
        for trouble in current:
            known = lasting.pop((trouble.subject, trouble.begun_t), None)
            if known is None:
                at_once = [c for c in channels.channel if c.after_h == 0]
                _write(conn, trouble, "begun", trouble.text, channels, at_once, now)
            elif not trouble.acknowledged:
                _escalate(conn, trouble, known, channels, now)
        for row in lasting.values():
            _over(conn, row, channels, now)


def _escalate(
    conn: psycopg.Connection, trouble: Trouble, known: Row, channels: Channels, now: datetime
) -> None:
    waits = now - known["created_at"]
    due = [c for c in channels.channel if c.after_h > 0 and waits >= timedelta(hours=c.after_h)]
    if due:
        hours = waits / timedelta(hours=1)
        text = f"Not acknowledged for {hours:.0f} h: {trouble.text}"
        _write(conn, trouble, "escalated", text, channels, due, now)


def _write(
    conn: psycopg.Connection,
    trouble: Trouble,
    event: str,
    text: str,
    channels: Channels,
    to: Iterable[Channel],
    now: datetime,
) -> None:
    values = {
        "subject": trouble.subject, "about": trouble.about, "event": event,
        "begun_t": trouble.begun_t, "site_id": trouble.site_id, "node_id": trouble.node_id,
        "urgent": trouble.urgent, "text": text, "payload": Jsonb(trouble.payload), "now": now,
    }  # fmt: skip
    due = sayable_at(now, channels.quiet, site_zone(trouble.tz), urgent=trouble.urgent)
    wanted = [c.name for c in to if c.wants(trouble.about, trouble.site_id)]
    _insert(conn, values, wanted, due)


def _insert(conn: psycopg.Connection, values: Row, channels: Sequence[str], due: datetime) -> None:
    row = conn.execute(_NOTE, values).fetchone()
    if row is None:  # an escalation that another channel had before
        row = conn.execute(
            "SELECT notice_id FROM notice WHERE (subject, begun_t, event)"
            " = (%(subject)s, %(begun_t)s, %(event)s)",
            values,
        ).fetchone()
        assert row is not None
    for name in channels:
        conn.execute(_ADDRESS, [row[0], name, due])


def _over(conn: psycopg.Connection, begun: Row, channels: Channels, now: datetime) -> None:
    """Say that it is over, to those who were told that it began."""
    told = [name for (name,) in conn.execute(_TOLD, [begun["subject"], begun["begun_t"]])]
    conn.execute(_DROP, [now, begun["subject"], begun["begun_t"]])
    why, payload = _how_over(conn, begun, now)
    values = begun | {
        "event": "over", "text": f"Over ({why}): {begun['text']}", "payload": Jsonb(payload),
        "now": now,
    }  # fmt: skip
    due = sayable_at(now, channels.quiet, site_zone(begun["tz"]), urgent=False)
    _insert(conn, values, told, due)


def _how_over(conn: psycopg.Connection, begun: Row, now: datetime) -> tuple[str, Row]:
    if begun["about"] != "lamp":
        return "it speaks again", begun["payload"] | {"until": now.isoformat()}
    try:
        row = duty.episode(conn, int(begun["subject"].partition("/")[2]))
    except NotFound:
        return "no longer there", begun["payload"]
    why = row["closed_by"] if row["status"] == "over" and row["closed_by"] else None
    words = why or STATUS_WORDS[row["status"]]
    return words, talq.log_report(row, begun=False, at=now, words=words)


def deliver(conn: psycopg.Connection, channels: Channels, now: datetime) -> int:
    """Send what is due; what fails is tried again, for a day. Returns how many were sent."""
    by_name = {channel.name: channel for channel in channels.channel}
    waiting: dict[str, list[Row]] = {}
    for row in conn.cursor(row_factory=dict_row).execute(_DUE, [now]).fetchall():
        waiting.setdefault(row["channel"], []).append(row)
    sent_n = 0
    for name, rows in waiting.items():
        channel = by_name.get(name)
        if channel is None:
            _drop(conn, rows, name, now, "this channel is no longer configured")
        elif channel.kind == "text":
            sent_n += _try(conn, channel, rows, now)
        else:
            sent_n += sum(_try(conn, channel, [row], now) for row in rows)
    return sent_n


def _try(conn: psycopg.Connection, channel: Channel, rows: Sequence[Row], now: datetime) -> int:
    try:
        if channel.kind == "text":
            send_text(channel, _title(rows), [row["text"] for row in rows])
        else:
            send_report(channel, rows[0]["notice_id"], rows[0]["payload"])
    except (NotSent, NotifyError) as error:
        log.warning("channel %s: %s", channel.name, error)
        _again(conn, channel.name, rows, now, str(error))
        return 0
    conn.execute(
        "UPDATE notice_delivery SET sent_at = %s, tries_n = tries_n + 1, last_error = NULL"
        " WHERE channel = %s AND notice_id = ANY(%s)",
        [now, channel.name, [row["notice_id"] for row in rows]],
    )
    return len(rows)


def _title(rows: Sequence[Row]) -> str:
    if len(rows) == 1:
        words = {"begun": "Begun", "over": "Over", "escalated": "Not acknowledged"}
        return f"{words[rows[0]['event']]}: {rows[0]['node_id']}"
    begun_n = sum(row["event"] != "over" for row in rows)
    return f"{begun_n} to look at, {len(rows) - begun_n} over"


def _again(
    conn: psycopg.Connection, name: str, rows: Sequence[Row], now: datetime, error: str
) -> None:
    for row in rows:
        if now - row["created_at"] > _GIVE_UP:
            _drop(conn, [row], name, now, f"given up: {error}")
            continue
        pause = _RETRY[min(row["tries_n"], len(_RETRY) - 1)]
        conn.execute(
            "UPDATE notice_delivery SET tries_n = tries_n + 1, due_at = %s, last_error = %s"
            " WHERE channel = %s AND notice_id = %s",
            [now + pause, error, name, row["notice_id"]],
        )


def _drop(
    conn: psycopg.Connection, rows: Sequence[Row], name: str, now: datetime, why: str
) -> None:
    conn.execute(
        "UPDATE notice_delivery SET dropped_at = %s, last_error = %s"
        " WHERE channel = %s AND notice_id = ANY(%s)",
        [now, why, name, [row["notice_id"] for row in rows]],
    )
