"""The duty list: what is to be done next, and what people have said about each episode."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import psycopg
from psycopg.rows import dict_row

from server.lamps.duty_rules import DutyRules, Reason, is_urgent, reasons, rules_of
from server.registry.errors import NotFound, RegistryError

Row = dict[str, Any]
Action = Literal["acknowledge", "assign", "note", "close", "reopen"]
ACTIONS: tuple[str, ...] = get_args(Action)
OPEN = ("open", "acknowledged")

_EPISODES = """
SELECT d.*, s.name AS site, s.lab_id, s.tz, n.simulated,
       coalesce(l.class, s.lighting_class) AS class, l.section
FROM lamp_duty AS d JOIN site AS s USING (site_id) JOIN node AS n USING (node_id)
LEFT JOIN lamp_now AS l USING (node_id)
WHERE (%(node)s::text IS NULL OR d.node_id = %(node)s)
  AND (%(site)s::text IS NULL OR d.site_id = %(site)s)
  AND (%(statuses)s::text[] IS NULL OR d.status = ANY(%(statuses)s))
  AND (%(id)s::bigint IS NULL OR d.episode_id = %(id)s)
ORDER BY d.from_t DESC, d.episode_id DESC LIMIT %(limit)s
"""
_DARK_NOW = """
SELECT d.site_id, coalesce(l.section, ''), d.node_id
FROM lamp_duty AS d LEFT JOIN lamp_now AS l USING (node_id)
WHERE d.to_t IS NULL AND d.retracted_at IS NULL AND d.kind IN ('lampFailure', 'feederFault')
"""
# What an action needs the episode to be, and why it is refused otherwise.
_NEEDS: dict[str, tuple[tuple[str, ...], str]] = {
    "acknowledge": (("open",), "only an open one is acknowledged"),
    "assign": (OPEN, "only an open one is assigned"),
    "note": (("open", "acknowledged", "over", "closed", "retracted"), ""),
    "close": (("open", "acknowledged", "over"), "it is closed"),
    "reopen": (("closed",), "only one that was closed by hand is reopened"),
}


@dataclass(frozen=True)
class Duty:
    """One open episode in its place in the list."""

    episode: Row
    points: float
    reasons: tuple[Reason, ...]
    days_open: float
    late: bool
    urgent: bool


def episodes(
    conn: psycopg.Connection,
    *,
    node: str | None = None,
    site: str | None = None,
    statuses: Sequence[str] | None = None,
    limit: int = 1000,
) -> list[Row]:
    """Episodes with their status, the newest first."""
    values = {
        "node": node, "site": site, "id": None, "limit": limit,
        "statuses": None if statuses is None else list(statuses),
    }  # fmt: skip
    return conn.cursor(row_factory=dict_row).execute(_EPISODES, values).fetchall()


def episode(conn: psycopg.Connection, episode_id: int, node: str | None = None) -> Row:
    """One episode; raises `NotFound`, also when it is of another node than `node`."""
    values = {"node": node, "site": None, "statuses": None, "id": episode_id, "limit": 1}
    row = conn.cursor(row_factory=dict_row).execute(_EPISODES, values).fetchone()
    if row is None:
        of = f" of {node}" if node else ""
        raise NotFound(f"no episode {episode_id}{of}; see msl lamps duty")
    return row


def duty_list(
    conn: psycopg.Connection, site: str | None = None, at: datetime | None = None
) -> list[Duty]:
    """Open episodes, what comes first first; of equal points the longest open."""
    now = at or datetime.now(UTC)
    dark = dark_by_feeder(conn)
    rules: dict[str, DutyRules] = {}
    found = []
    for row in episodes(conn, site=site, statuses=OPEN, limit=10_000):
        if row["lab_id"] not in rules:
            rules[row["lab_id"]] = rules_of(conn, row["lab_id"])
        found.append(_ranked(rules[row["lab_id"]], row, dark, now))
    return sorted(found, key=lambda one: (-one.points, one.episode["from_t"]))


def dark_by_feeder(conn: psycopg.Connection) -> Counter[tuple[str, str]]:
    """How many lamps are dark now, by site and feeder."""
    lamps = {(site, feeder, node) for site, feeder, node in conn.execute(_DARK_NOW).fetchall()}
    return Counter((site, feeder) for site, feeder, _ in lamps)


def act(
    conn: psycopg.Connection,
    episode_id: int,
    action: Action,
    actor: str,
    *,
    node: str | None = None,
    assignee: str | None = None,
    note: str | None = None,
) -> Row:
    """Append what somebody did about an episode and return the episode as it is then.

    Raises:
        NotFound: No such episode (of that node).
        RegistryError: It is in no state for that, or something is missing.
    """
    if (action == "assign") != (assignee is not None):
        raise RegistryError("assignee: whom? assign needs one, and nothing else takes one")
    if action in ("note", "close") and not note:
        raise RegistryError(f"note: {action} needs a few words: what was found, what was done")
    with conn.transaction():
        # Two people at once: the second one sees what the first one did.
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('lamp_action', %s))",
                     [episode_id])  # fmt: skip
        row = episode(conn, episode_id, node)
        allowed, why = _NEEDS[action]
        if row["status"] not in allowed:
            raise RegistryError(f"episode {episode_id} is {row['status']}: {why}")
        conn.execute(
            "INSERT INTO lamp_action (episode_id, actor, action, assignee, note)"
            " VALUES (%s, %s, %s, %s, %s)",
            [episode_id, actor, action, assignee, note],
        )
        return episode(conn, episode_id)


def trail(conn: psycopg.Connection, episode_id: int) -> list[Row]:
    """Everything that people did about an episode, the oldest first."""
    return (
        conn.cursor(row_factory=dict_row)
        .execute(
            "SELECT at, actor, action, assignee, note FROM lamp_action WHERE episode_id = %s"
            " ORDER BY action_id",
            [episode_id],
        )
        .fetchall()
    )


def _ranked(rules: DutyRules, row: Row, dark: Counter[tuple[str, str]], now: datetime) -> Duty:
    dark_n = dark[row["site_id"], row["section"] or ""]
    why = tuple(reasons(rules, row, dark_n, now))
    open_for = now - row["from_t"]
    return Duty(
        episode=row,
        points=round(sum(reason.points for reason in why), 1),
        reasons=why,
        days_open=open_for / timedelta(days=1),
        late=open_for > timedelta(days=rules.repair_within_days),
        urgent=is_urgent(rules, row["kind"], dark_n),
    )
