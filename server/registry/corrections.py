"""Clock corrections: held records of one boot, put right and stored."""

from dataclasses import dataclass

import psycopg

from server.registry import change
from server.registry.entries import ClockCorrection
from server.registry.errors import RegistryError
from server.registry.read import Row


@dataclass(frozen=True)
class Released:
    """What a correction did: the row, how many records it stored, how many stay held."""

    row: Row
    released_n: int
    still_held_n: int


def correct_clock(conn: psycopg.Connection, correction: ClockCorrection) -> Released:
    """Enter a correction and store what it makes believable; call within `changing`.

    Records of the boot that come in later follow by themselves.

    Raises:
        RegistryError: It would release nothing although records of the boot are held.
    """
    row = change.add(conn, correction)
    done = conn.execute(
        "SELECT released_n, still_held_n FROM release_held(%s)", [row["correction_id"]]
    ).fetchone()
    assert done is not None
    released_n, still_held_n = done
    if still_held_n and not released_n:
        raise RegistryError(
            f"{still_held_n} records of {correction.node_id} would stay held: with"
            f" {correction.offset_ms} ms added they are still ahead of now, before the"
            " node was created, or sealed; check the offset and msl node show"
        )
    return Released(row, released_n, still_held_n)


def held_boots(conn: psycopg.Connection, node_id: str | None = None) -> list[Row]:
    """Per boot with held records: how many of each reason, and from when they claim to be."""
    parts = " UNION ALL ".join(
        f"SELECT node_id, spool, origin_id, reason, t, received_at FROM held_{stream}"  # noqa: S608
        for stream in ("light", "noise", "footfall", "health", "event")
    )
    rows = conn.execute(
        f"SELECT h.node_id, h.spool, o.boot, h.reason, count(*), min(h.t), max(h.t),"  # noqa: S608
        f" max(h.received_at) FROM ({parts}) AS h JOIN origin AS o USING (origin_id)"
        " WHERE %(node)s::text IS NULL OR h.node_id = %(node)s"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        {"node": node_id},
    ).fetchall()
    names = ("node_id", "spool", "boot", "reason", "n", "first_t", "last_t", "last_received_at")
    return [dict(zip(names, row, strict=True)) for row in rows]
