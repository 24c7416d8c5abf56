"""A site with one emulated and one real node: six hours with gaps, blindness, silence and zeros."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

SITE = "plaza"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Seeded:
    """A database as Grafana meets it; `start` is the first hour with records."""

    grafana_dsn: str
    start: datetime


@pytest.fixture
def seeded(database: Any) -> Seeded:
    """Six hours of both nodes up to the hour before this one.

    `plaza-02` (real) sends no light in the third hour; its camera is blind in the fourth; nobody
    passes in the fifth; its microphone is blocked in the sixth.
    """
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 6 * HOUR
    with psycopg.connect(database.dsn) as conn:
        _register(conn, start - timedelta(days=40))
        for number, node in enumerate(["plaza-01", "plaza-02"]):
            real = number == 1
            _send_light(conn, node, start, missing_hour=2 if real else None)
            _send_footfall(conn, node, start, real=real)
            _send_noise(conn, node, start, blocked_hour=5 if real else None)
        conn.execute(
            "INSERT INTO rollup_mark (node_id, stream, hour)"
            " SELECT node_id, s, %s + make_interval(hours => h) FROM node,"
            " unnest(ARRAY['light', 'noise', 'footfall']) AS s, generate_series(0, 5) AS h",
            [start],
        )
    return Seeded(grafana_dsn=database.dsn_as("msl_grafana"), start=start)


def _register(conn: psycopg.Connection, since: datetime) -> None:
    conn.execute("INSERT INTO lab (lab_id, name) VALUES ('lab', 'Lab')")
    conn.execute(
        "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
        " VALUES (%s, 'lab', 'Plaza', 'Europe/Berlin', 52.5, 13.4),"
        "        ('empty', 'lab', 'Empty', 'Europe/Berlin', 52.5, 13.4)",
        [SITE],
    )
    conn.execute(
        "INSERT INTO node (node_id, lab_id, state, simulated, created_at)"
        " VALUES ('plaza-01', 'lab', 'commissioned', true, %(since)s),"
        "        ('plaza-02', 'lab', 'commissioned', false, %(since)s)",
        {"since": since},
    )
    conn.execute(
        "INSERT INTO deployment (node_id, site_id, from_t) SELECT node_id, %s, %s FROM node",
        [SITE, since],
    )
    conn.execute(
        "INSERT INTO origin (node_id, spool, boot, rev)"
        " SELECT node_id, 'abcdefgh', repeat('0', 32), '0.1.0' FROM node"
    )
    conn.execute(
        "INSERT INTO intervention (intervention_id, lab_id, title, kind, from_t, to_t)"
        " VALUES ('led', 'lab', 'New lamps', 'lighting', %(t)s, %(t)s)",
        {"t": since + timedelta(days=30)},
    )
    conn.execute("INSERT INTO intervention_site VALUES ('led', %s, 'treated')", [SITE])


def _copy(conn: psycopg.Connection, into: str, node: str, rows: list[dict[str, Any]]) -> None:
    shared = {"node_id": node, "spool": "abcdefgh"}
    for seq, row in enumerate(rows, start=1):
        values = shared | {"seq": seq} | row
        if into != "footfall_line_raw":
            values |= {"received_at": row["t"], "origin_id": 1, "flags": 0}
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        conn.execute(f"INSERT INTO {into} ({names}) VALUES ({marks})", values)


def _send_light(
    conn: psycopg.Connection, node: str, start: datetime, missing_hour: int | None
) -> None:
    rows = [
        {"t": start + minute * MINUTE, "dur_s": 60, "valid_s": 60, "samples_n": 60}
        | dict.fromkeys(["lux_p10", "lux_p50", "lux_p90", "lux_max"], 12.5)
        | {"sensor": "opt3001"}
        for minute in range(0, 360, 5)
        if minute // 60 != missing_hour
    ]
    _copy(conn, "light_raw", node, rows)


def _send_footfall(conn: psycopg.Connection, node: str, start: datetime, *, real: bool) -> None:
    windows, lines = [], []
    for quarter in range(24):
        t = start + quarter * 15 * MINUTE
        blind = real and quarter // 4 == 3
        count = None if blind else 0 if real and quarter // 4 == 4 else 6
        # Half of the window seen: the rate per observed hour is twice the count's.
        valid_s = 0 if blind else 450
        windows.append(
            {"t": t, "dur_s": 900, "valid_s": valid_s, "geometry_rev": 1}
            | {"occupancy": None if blind else 0.5}
        )
        lines.append({"t": t, "line": "gate", "a_to_b": count, "b_to_a": count})
    _copy(conn, "footfall_raw", node, windows)
    _copy(conn, "footfall_line_raw", node, lines)


def _send_noise(
    conn: psycopg.Connection, node: str, start: datetime, blocked_hour: int | None
) -> None:
    names = ["laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq"]
    rows = []
    for minute in range(0, 360, 5):
        blocked = minute // 60 == blocked_hour
        # 50 and 60 dB in turn: their energy mean is 57.4 dB, never 55.
        level = None if blocked else 50.0 + 10 * (minute // 5 % 2)
        rows.append(
            {"t": start + minute * MINUTE, "dur_s": 60, "valid_s": 0 if blocked else 60}
            | {"overload_n": 0, "lost_n": 0}
            | dict.fromkeys(names, level)
            | {"laf_class": [] if blocked else [100], "laf_n": [] if blocked else [480]}
        )
    _copy(conn, "noise_raw", node, rows)
