"""Episodes in the database: one fault keeps one id, however often its light is looked at anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from server.lighting.episodes import Episode

# Closer than this, two spells of one kind at one lamp are one fault told twice.
_NEAR = timedelta(hours=1)
# A fault so soon after the oldest light can't be told again: no baseline is learned yet.
_BLIND_START = timedelta(days=30)
# A lamp that is out by itself and one that is out with its section are one fault: whether its
# neighbours are out too may show later.
_FAMILY = {"feederFault": "lampFailure"}
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

_KEPT = """
SELECT e.episode_id, e.node_id, e.kind, e.from_t, e.to_t, e.retracted_at,
       EXISTS (SELECT FROM lamp_action AS a WHERE a.episode_id = e.episode_id) AS touched
FROM lamp_episode AS e WHERE e.node_id = ANY(%s) ORDER BY e.from_t, e.episode_id
"""
_INSERT = """
INSERT INTO lamp_episode (node_id, site_id, kind, from_t, to_t, raised_t, confidence, evidence,
                          closed_by, lamps)
VALUES (%(node)s, %(site)s, %(kind)s, %(from_t)s, %(to_t)s, %(raised_t)s, %(confidence)s,
        %(evidence)s, %(closed_by)s, %(lamps)s)
"""
_UPDATE = """
UPDATE lamp_episode AS e
SET from_t = %(from_t)s, to_t = %(to_t)s, raised_t = least(e.raised_t, %(raised_t)s),
    confidence = %(confidence)s, evidence = %(evidence)s, closed_by = %(closed_by)s,
    lamps = %(lamps)s, kind = %(kind)s, retracted_at = NULL
WHERE episode_id = %(id)s
  AND (kind, from_t, coalesce(to_t, 'infinity'), confidence, evidence, closed_by, lamps,
       retracted_at)
      IS DISTINCT FROM (%(kind)s, %(from_t)s, coalesce(%(to_t)s, 'infinity'::timestamptz),
                        %(confidence)s::real, %(evidence)s::jsonb, %(closed_by)s::text,
                        %(lamps)s::text[], NULL::timestamptz)
"""
_RETRACT = """
UPDATE lamp_episode SET retracted_at = now() WHERE episode_id = ANY(%s) AND retracted_at IS NULL
"""


@dataclass(frozen=True)
class _Kept:
    """One stored episode."""

    episode_id: int
    node_id: str
    kind: str
    from_t: datetime
    to_t: datetime | None
    retracted_at: datetime | None
    touched: bool


@dataclass(frozen=True)
class Changes:
    """What one reconciliation did."""

    begun_n: int
    changed_n: int
    retracted_n: int

    @property
    def any_n(self) -> int:
        """All of them."""
        return self.begun_n + self.changed_n + self.retracted_n


def reconcile(
    conn: psycopg.Connection,
    site_id: str,
    nodes: Sequence[str],
    found: Iterable[Episode],
    light_from: datetime,
) -> Changes:
    """Make the stored episodes of `nodes` say what `found` says, in one transaction.

    An episode is the one that is kept if lamp and kind are the same and their times meet; one with
    a person's action on it goes first. What isn't found any more is retracted, never deleted.

    Args:
        found: All that the light of these nodes tells, from `light_from` on.
    """
    with conn.transaction():
        kept = conn.cursor(row_factory=class_row(_Kept)).execute(_KEPT, [list(nodes)]).fetchall()
        free = {one.episode_id: one for one in kept}
        begun_n = changed_n = 0
        for episode in sorted(found, key=lambda e: (e.from_s, e.kind, e.node)):
            same = _same(episode, free.values())
            values = _values(episode, site_id)
            if same is None:
                conn.execute(_INSERT, values)
                begun_n += 1
                continue
            del free[same.episode_id]
            if same.from_t < light_from:  # its begin is older than what was looked at
                values["from_t"] = same.from_t
            changed_n += conn.execute(_UPDATE, values | {"id": same.episode_id}).rowcount
        gone = [
            one.episode_id
            for one in free.values()
            if one.retracted_at is None and one.from_t >= light_from + _BLIND_START
        ]
        retracted_n = conn.execute(_RETRACT, [gone]).rowcount if gone else 0
    return Changes(begun_n, changed_n, retracted_n)


def _same(episode: Episode, kept: Iterable[_Kept]) -> _Kept | None:
    """The kept episode that this one is; of several, one somebody acted on, then the nearest."""
    from_t, to_t = _time(episode.from_s), _until(episode)
    meets = [
        one
        for one in kept
        if one.node_id == episode.node
        and _family(one.kind) == _family(str(episode.kind))
        and one.from_t - _NEAR <= to_t
        and from_t - _NEAR <= (one.to_t or _FOREVER)
    ]
    return min(
        meets,
        key=lambda one: (
            not one.touched, one.retracted_at is not None, one.kind != str(episode.kind),
            abs(one.from_t - from_t), one.episode_id,
        ),
        default=None,
    )  # fmt: skip


def _family(kind: str) -> str:
    return _FAMILY.get(kind, kind)


def _values(episode: Episode, site_id: str) -> dict[str, object]:
    return {
        "node": episode.node,
        "site": site_id,
        "kind": str(episode.kind),
        "from_t": _time(episode.from_s),
        "to_t": None if episode.to_s is None else _time(max(episode.to_s, episode.from_s)),
        "raised_t": _time(episode.raised_s),
        "confidence": min(max(episode.confidence, 0.0), 1.0),
        "evidence": Jsonb(episode.evidence),
        "closed_by": episode.closed_by,
        "lamps": list(episode.lamps),
    }


def _until(episode: Episode) -> datetime:
    return _FOREVER if episode.to_s is None else _time(episode.to_s)


def _time(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
