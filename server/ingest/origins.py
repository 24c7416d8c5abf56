"""Origins: which spool, boot, software and microphone made a record; raw keeps their number.

Looked up in the table every time and never remembered: after a restore the same number may stand
for something else.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from server.ingest.inbound import RecordsPart

# node, spool, boot, software, sensitivity
Origin = tuple[str, str, str, str, float | None]

_WANTED = """
unnest(%(node)s::text[], %(spool)s::text[], %(boot)s::text[], %(rev)s::text[],
       %(sens_db)s::real[]) WITH ORDINALITY AS k(node_id, spool, boot, rev, sens_db, ix)
"""
_FIND = f"""
SELECT k.ix - 1, o.origin_id FROM {_WANTED}
JOIN origin o ON (o.node_id, o.spool, o.boot, o.rev) = (k.node_id, k.spool, k.boot, k.rev)
    AND o.sens_db IS NOT DISTINCT FROM k.sens_db
"""  # noqa: S608 - no value in it
_ADD = f"""
INSERT INTO origin (node_id, spool, boot, rev, sens_db)
SELECT node_id, spool, boot, rev, sens_db FROM {_WANTED} ORDER BY ix
ON CONFLICT DO NOTHING
"""  # noqa: S608 - no value in it


def origin_of(part: RecordsPart) -> Origin:
    """What made the records of `part`."""
    return (part.node_id, part.key.spool, part.boot, part.rev, part.sens_db)


def resolve(cur: psycopg.Cursor[Any], parts: Sequence[RecordsPart]) -> dict[Origin, int]:
    """The number of each origin among `parts` that have records; new ones are added."""
    wanted = sorted({origin_of(p) for p in parts if p.records}, key=_order)
    found = _find(cur, wanted)
    missing = [origin for origin in wanted if origin not in found]
    if missing:
        # Looked up first: a refused insert would burn a number, and they are 32 bit.
        cur.execute(_ADD, _columns(missing))
        found |= _find(cur, missing)
    return found


def _find(cur: psycopg.Cursor[Any], wanted: Sequence[Origin]) -> dict[Origin, int]:
    if not wanted:
        return {}
    cur.execute(_FIND, _columns(wanted))
    return {wanted[ix]: origin_id for ix, origin_id in cur.fetchall()}


def _order(origin: Origin) -> tuple[str, str, str, str, float]:
    return (*origin[:4], -1.0 if origin[4] is None else origin[4])


def _columns(origins: Iterable[Origin]) -> dict[str, list[Any]]:
    names = ("node", "spool", "boot", "rev", "sens_db")
    return {
        name: list(values) for name, values in zip(names, zip(*origins, strict=True), strict=True)
    }
