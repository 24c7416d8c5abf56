"""Rollups: the eight patterns' by the worker itself from their raw records, then repeated.

Where raw is kept, each node's rows are thus exactly what a recomputation gives: its raw rows are
the pattern's own. Before that, hours repeat every four weeks, sealed, with their raw gone.
"""

from datetime import timedelta
from typing import Any

import psycopg

from benchmarks.year_data.shape import PATTERNS_N, Shape, Span
from server.work.rollup import KEPT, roll_up

# Four weeks keep the weekday; the first day of raw is left out, for it has the exclusions.
_PERIOD_DAYS = 28
_MARK = """
INSERT INTO rollup_mark (node_id, stream, hour)
SELECT DISTINCT node_id, %(stream)s, date_trunc('hour', t, 'UTC') FROM {stream}_raw
WHERE node_id = ANY(%(nodes)s)
"""
# The stay and the calibration of the same kind that the copy has at that hour.
_OWN = {
    "deployment_id": "d.deployment_id",
    "calibration_id": """(
        SELECT mine.calibration_id FROM calibration AS c JOIN calibration AS mine
            ON mine.node_id = n.node_id AND mine.quantity = c.quantity
        WHERE c.calibration_id = k.calibration_id AND mine.from_t <= k.hour - s.back
              AND mine.revoked_at IS NULL
        ORDER BY mine.from_t DESC LIMIT 1)""",
    "node_id": "n.node_id",
    "hour": "k.hour - s.back",
    "local_day": "((k.hour - s.back) AT TIME ZONE 'Europe/Berlin')::date",
}
_COPY = """
INSERT INTO {table} ({columns})
SELECT {values}
FROM (SELECT i, i * %(period)s AS back
      FROM generate_series(%(first)s, %(last)s) AS i) AS s
CROSS JOIN LATERAL (SELECT * FROM {table} WHERE node_id = ANY(%(nodes)s) AND hour < %(end)s
                    AND (s.i = 0 OR hour >= %(end)s - %(period)s
                         AND hour - s.back >= %(began)s AND hour - s.back < %(raw_from)s)) AS k
JOIN node AS n ON right(n.node_id, 3)::integer %% {patterns_n}
                  = right(k.node_id, 3)::integer %% {patterns_n}
JOIN deployment AS d ON d.node_id = n.node_id
WHERE s.i > 0 OR n.node_id <> ALL(%(nodes)s)
"""


def pattern_nodes() -> list[str]:
    """The nodes whose rollups are worked out from raw."""
    return [f"city-{n:03}" for n in range(PATTERNS_N)]


def roll_up_patterns(conn: psycopg.Connection[Any]) -> int:
    """Let the worker do it; `conn` in autocommit mode. Returns node-hours."""
    for stream in KEPT:
        keys = {"stream": stream, "nodes": pattern_nodes()}
        conn.execute(_MARK.format(stream=stream), keys)
    conn.execute("ANALYZE")
    return roll_up(conn)


def copy_rollups(conn: psycopg.Connection[Any], table: str, shape: Shape, span: Span) -> int:
    """Repeat the patterns' hours for all nodes and through the year; how many rows."""
    cursor = psycopg.ClientCursor(conn)
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum",
        [table],
    )
    columns = [name for (name,) in cursor.fetchall()]
    period = timedelta(days=min(_PERIOD_DAYS, shape.raw_days - 1))
    values = ", ".join(_OWN.get(name, f"k.{name}") for name in columns)
    cursor.execute(
        _COPY.format(table=table, columns=", ".join(columns), values=values,
                     patterns_n=PATTERNS_N),
        {
            "period": period, "first": 0, "last": shape.rollup_days // period.days + 1,
            "nodes": pattern_nodes(), "began": span.began, "raw_from": span.raw_from,
            "end": span.end,
        },
    )  # fmt: skip
    rows_n = cursor.rowcount
    conn.commit()
    return rows_n


def seal(conn: psycopg.Connection[Any], span: Span) -> None:
    """Raw before `raw_from` is gone; say so, as retention would have."""
    conn.execute("UPDATE rollup_seal SET before = %s WHERE stream <> 'event'", [span.raw_from])
    conn.commit()
