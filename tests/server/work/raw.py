"""Raw rows as ingest writes them: the record and its mark in one transaction."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

# Berlin's clocks go back in the second night from here; Kolkata's days begin at half past.
BASE = datetime(2025, 10, 25, 12, tzinfo=UTC)
SLOT = timedelta(minutes=15)

_COLUMNS = {
    "light": ("lux_p10", "lux_p50", "lux_p90", "lux_max", "samples_n", "sensor"),
    "noise": ("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq", "overload_n", "lost_n",
              "laf_class", "laf_n"),
    "footfall": ("occupancy", "geometry_rev"),
    "health": ("uptime_s", "cpu_c", "sensors"),
}  # fmt: skip
_COMMON = ("t", "seq", "received_at", "origin_id", "flags", "dur_s", "valid_s", "node_id", "spool")


def insert(
    conn: psycopg.Connection,
    stream: str,
    node: str,
    slot: int,
    *,
    seq: int | None = None,
    level: float | None = 50.5,
    flags: int = 0,
    dur_s: float = 900,
    prefix: str = "",
) -> None:
    """Insert a record that began `slot` quarters of an hour after BASE; None measured nothing.

    The caller commits. `seq` is the slot unless given; the same one again adds nothing.
    """
    t = BASE + slot * SLOT
    number = slot + 1000 if seq is None else seq
    valid_s = 0.0 if level is None else dur_s
    common = (t, number, t, 1, flags, dur_s, valid_s, node, "aaaaaaaa")
    _write(conn, f"{stream}_raw", (*_COMMON, *_COLUMNS[stream]), (*common, *_own(stream, level)))
    if stream == "footfall":
        for line in ("door", "gate"):
            n = None if level is None else int(level)
            _write(
                conn,
                "footfall_line_raw",
                ("t", "seq", "a_to_b", "b_to_a", "node_id", "spool", "line"),
                (t, number, n, n, node, "aaaaaaaa", line),
            )
    mark(conn, stream, node, t)


def mark(conn: psycopg.Connection, stream: str, node: str, t: datetime) -> None:
    conn.execute(
        "INSERT INTO rollup_mark (node_id, stream, hour) VALUES (%s, %s, %s)",
        [node, stream, t.replace(minute=0)],
    )


def _own(stream: str, level: float | None) -> tuple[Any, ...]:
    if stream == "light":
        return (level, level, level, level, 10, "opt3001")
    if stream == "noise":
        levels = (level,) * 7
        if level is None:
            return (*levels, 0, 0, [], [])
        k = int(2 * level)
        return (*levels, 1, 0, [k - 8, k, k + 3], [100, 50, 7])
    if stream == "footfall":
        return (level, 1)
    return (1.0, level, "[]")


def _write(
    conn: psycopg.Connection, table: str, columns: tuple[str, ...], values: tuple[Any, ...]
) -> None:
    conn.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(values))})"
        " ON CONFLICT DO NOTHING",
        values,
    )
