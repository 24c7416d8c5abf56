"""Raw records: those of eight nodes made one by one, then repeated for all others.

Each pattern has something wrong with it: 1 loses records, 2 has two lines, 4 is excluded for some
hours, 5 can't count at night, 6 has a blind light sensor, 7 is off for a day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from benchmarks.year_data.shape import PATTERNS_N, Shape, Span

# Commits are as large as a chunk of the hypertables, so that with wal_level=minimal a new chunk's
# rows needn't be logged.
PIECE = timedelta(days=7)

# What every stream's pattern has; missing windows were never made (7) or are still awaited (1).
_WINDOWS = """
CREATE TEMP TABLE slot_{stream} AS
SELECT pattern, t, row_number() OVER (PARTITION BY pattern ORDER BY t) AS seq,
       extract(hour FROM t AT TIME ZONE 'Europe/Berlin') + extract(minute FROM t) / 60.0 AS hour,
       -- A pseudo-random number in [0, 1) that is the same in every run.
       (hashint8extended(extract(epoch FROM t)::bigint, pattern) & 65535) / 65536.0 AS dice
FROM generate_series(0, {patterns_n} - 1) AS pattern,
     generate_series(%(raw_from)s, %(end)s - interval '{dur_s} s', interval '{dur_s} s') AS t
WHERE NOT (pattern = 7 AND t >= %(end)s - interval '9 days' AND t < %(end)s - interval '8 days');
DELETE FROM slot_{stream} WHERE pattern = 1 AND seq BETWEEN 5000 AND 5100;
"""
_PATTERNS = {
    "light": """
CREATE TEMP TABLE pattern_light AS
SELECT pattern, t, seq, 0 AS flags, 60::real AS dur_s,
       CASE WHEN pattern = 6 THEN 0 ELSE 60 END::real AS valid_s,
       (0.9 * lux)::real AS lux_p10, lux::real AS lux_p50, (1.1 * lux)::real AS lux_p90,
       (1.3 * lux)::real AS lux_max, 83865.6::real AS full_scale_lx, 100::real AS integration_ms,
       120 AS samples_n, 'opt3001' AS sensor
FROM (SELECT *, CASE WHEN pattern = 6 THEN NULL
          ELSE 20000 * greatest(sin((hour - 6.5) * pi() / 11), 0) ^ 2
               + CASE WHEN hour > 17 OR hour < 7.5 THEN 14 + pattern ELSE 0 END + dice END AS lux
      FROM slot_light) AS s;
""",
    "noise": """
CREATE TEMP TABLE pattern_noise AS
SELECT pattern, t, seq, 0 AS flags, 60::real AS dur_s, 60::real AS valid_s,
       level::real AS laeq, (level + 14)::real AS lafmax, (level - 7)::real AS lafmin,
       (level + 3)::real AS la10, (level - 1)::real AS la50, (level - 5)::real AS la90,
       (level + 9)::real AS lceq, 0 AS overload_n, 0 AS lost_n,
       ARRAY(SELECT (2 * level + k - 8)::smallint FROM generate_series(0, 15) AS k) AS laf_class,
       ARRAY(SELECT 10 + 7 * (8 - abs(k - 8)) FROM generate_series(0, 15) AS k) AS laf_n
FROM (SELECT *, 48 + pattern + 9 * sin((hour - 9) * pi() / 12) + 6 * dice AS level
      FROM slot_noise) AS s;
""",
    "footfall": """
CREATE TEMP TABLE pattern_footfall AS
SELECT pattern, t, seq, CASE WHEN dark THEN 1 << 4 ELSE 0 END AS flags, 900::real AS dur_s,
       CASE WHEN dark THEN 0 ELSE 900 END::real AS valid_s,
       CASE WHEN dark THEN NULL ELSE 0.4 * busy END::real AS occupancy, 4.9::real AS fps,
       CASE WHEN dark THEN 4 ELSE 90 END::real AS scene_luma, 1 AS geometry_rev
FROM (SELECT *, pattern = 5 AND (hour > 21 OR hour < 5) AS dark,
             greatest(1 + sin((hour - 8) * pi() / 12), 0.05) * (1 + dice) AS busy
      FROM slot_footfall) AS s;
CREATE TEMP TABLE pattern_footfall_line AS
SELECT pattern, t, seq,
       CASE WHEN valid_s > 0 THEN round(30 * occupancy)::integer END AS a_to_b,
       CASE WHEN valid_s > 0 THEN round(27 * occupancy)::integer END AS b_to_a, line
FROM pattern_footfall,
     LATERAL unnest(CASE WHEN pattern = 2 THEN ARRAY['gate', 'path'] ELSE ARRAY['gate'] END)
         AS line;
""",
    "health": """
CREATE TEMP TABLE pattern_health AS
SELECT pattern, t, seq, 412000000::bigint + (dice * 1e6)::bigint AS memory_free_bytes,
       9000000000::bigint AS disk_free_bytes, extract(epoch FROM t)::float8 - 1.7e9 AS uptime_s,
       dice * 20 AS spool_oldest_s, dice * 8 AS clock_offset_ms, 0 AS flags, 60::real AS dur_s,
       60::real AS valid_s, (45 + 9 * dice)::real AS cpu_c, (0.4 + dice)::real AS load_1min,
       0 AS throttled_bits, (3 * dice)::integer AS spool_records_n, 400::real AS spool_days_left,
       (-55 - 9 * dice)::real AS link_rssi_dbm,
       (greatest(sin((hour - 8) * pi() / 12), 0) * dice)::real AS pir_share, true AS clock_synced,
       'ntp' AS clock_source, 'wlan' AS link,
       jsonb_build_array(
           jsonb_build_object('sensor', 'light', 'since', 1760000000000,
                              'state', CASE WHEN pattern = 6 THEN 'bus_error' ELSE 'ok' END),
           jsonb_build_object('sensor', 'noise', 'since', 1760000000000, 'state', 'ok'),
           jsonb_build_object('sensor', 'footfall', 'since', 1760000000000, 'state', 'ok'))
           AS sensors
FROM slot_health;
""",
}
_COPY = """
INSERT INTO {table} ({columns})
SELECT {values}
FROM (SELECT * FROM pattern_{part} WHERE t >= %(from_t)s AND t < %(to_t)s ORDER BY t OFFSET 0) AS p
JOIN city_node AS c USING (pattern)
"""
_LEDGER = """
INSERT INTO ledger (node_id, spool, stream, stored, first_at, last_at, last_new_at)
SELECT c.node_id, 'c0ffee00c0ffee00', %(stream)s, r.stored, r.first_at, r.last_at, r.last_at
FROM (SELECT pattern, range_agg(int8range(seq, seq, '[]')) AS stored,
             min(t) + interval '61 s' AS first_at, max(t + dur_s * interval '1 s') AS last_at
      FROM pattern_{stream} GROUP BY pattern) AS r JOIN city_node AS c USING (pattern)
"""
PARTS = {"light": ("light",), "noise": ("noise",), "footfall": ("footfall", "footfall_line"),
         "health": ("health",)}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A statement that fills one chunk of one table."""

    part: str
    from_t: datetime
    to_t: datetime


def pieces(stream: str, span: Span) -> Iterator[Piece]:
    """Cut where TimescaleDB cuts its chunks: on multiples of a week since the epoch's Thursday."""
    for part in PARTS[stream]:
        begun = span.raw_from
        while begun < span.end:
            past = (begun.timestamp() / 86_400) % 7
            until = min(begun + timedelta(days=7 - past), span.end)
            yield Piece(part, begun, until)
            begun = until


def fill_raw(
    conn: psycopg.Connection[Any],
    stream: str,
    shape: Shape,
    span: Span,
    done: Callable[[int], None],
) -> None:
    """Fill one stream's table and its ledger; `done` gets the rows of each piece."""
    cursor = psycopg.ClientCursor(conn)
    # Nobody reads meanwhile, and marks come later: triggers would only take time.
    cursor.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
    dur_s = 900 if stream == "footfall" else 60
    times = {"raw_from": span.raw_from, "end": span.end}
    cursor.execute(
        _WINDOWS.format(stream=stream, dur_s=dur_s, patterns_n=PATTERNS_N) + _PATTERNS[stream],
        times,
    )
    cursor.execute(
        "CREATE TEMP TABLE city_node AS SELECT node_id, origin_id,"
        f" right(node_id, 3)::integer % {PATTERNS_N} AS pattern FROM node JOIN origin USING"
        " (node_id)"
    )
    for piece in pieces(stream, span):
        done(_copy(cursor, piece))
    cursor.execute(_LEDGER.format(stream=stream), {"stream": stream})
    conn.commit()


def _copy(cursor: psycopg.ClientCursor[Any], piece: Piece) -> int:
    table = f"{piece.part}_raw"
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum",
        [table],
    )
    columns = [name for (name,) in cursor.fetchall()]
    own = {
        "node_id": "c.node_id",
        "origin_id": "c.origin_id",
        "spool": "'c0ffee00c0ffee00'",
        # Nodes send in their own second of the minute.
        "received_at": "p.t + p.dur_s * interval '1 s'"
        " + (hashtext(c.node_id) & 63) * interval '1 s'",
    }
    values = ", ".join(own.get(name, f"p.{name}") for name in columns)
    cursor.execute(
        _COPY.format(table=table, columns=", ".join(columns), values=values, part=piece.part),
        {"from_t": piece.from_t, "to_t": piece.to_t},
    )
    rows_n = cursor.rowcount
    cursor.connection.commit()
    return rows_n
