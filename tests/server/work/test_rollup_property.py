"""After any order of arrival and any registry change, views say what raw and registry say."""

from contextlib import suppress
from datetime import timedelta
from itertools import product
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.work.rollup import roll_up
from tests.server.work.conftest import NODES, ZONES, fill_registry
from tests.server.work.raw import BASE, SLOT, insert
from tests.server.work.recomputed import assert_views_are_recomputed

pytestmark = pytest.mark.db

STREAMS = ("light", "noise", "footfall", "health")
# Around midnight in Kathmandu (18:15 UTC) and Kolkata (18:30), in Berlin (22:00), around the hour
# that Berlin has twice, and at the end of its day of 25 hours.
TIMES = (*range(20, 31), *range(38, 43), 52, 53, 57, *range(138, 143))
SLOTS = st.sampled_from(TIMES)
OVERLOAD, MAINTENANCE = 1 << 3, 1 << 9

node = st.sampled_from(NODES)
site = st.sampled_from(tuple(ZONES))
levels = st.none() | st.integers(20, 200).map(lambda n: n / 2)
records = st.tuples(
    st.just("record"), st.sampled_from(STREAMS), node, SLOTS, levels,
    st.sampled_from([0, 0, 0, OVERLOAD, MAINTENANCE]), st.sampled_from([900.0, 60.0]),
)  # fmt: skip
changes = st.one_of(
    st.tuples(st.just("deploy"), node, site, SLOTS, st.none() | st.integers(1, 80)),
    st.tuples(st.just("end"), node, SLOTS),
    st.tuples(st.just("undeploy"), node),
    st.tuples(st.just("zone"), site, st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "UTC"])),
    st.tuples(
        st.just("calibrate"), node, st.sampled_from(["light", "noise", "footfall"]),
        st.sampled_from([None, "door"]), SLOTS, st.sampled_from([0.5, 1.25]),
    ),
    st.tuples(st.just("revoke"), st.sampled_from(["calibration", "exclusion"])),
    st.tuples(
        st.just("exclude"), node | site, st.sampled_from([None, "light", "noise", "footfall"]),
        SLOTS, st.integers(1, 40),
    ),
    st.tuples(st.just("flag"), st.booleans()),
)  # fmt: skip
steps = st.lists(records | records | records | changes | st.just(("work",)), max_size=14)

TABLES = (
    "lab, site, node, deployment, calibration, exclusion, light_raw, noise_raw, footfall_raw,"
    " footfall_line_raw, health_raw, rollup_mark, light_1h_kept, noise_1h_kept,"
    " footfall_1h_kept, footfall_line_1h_kept, health_1h_kept, audit"
)


def take(conn: psycopg.Connection, worker: psycopg.Connection, step: tuple[Any, ...]) -> None:
    match step:
        case ("record", stream, name, slot, level, flags, dur_s):
            insert(conn, stream, name, slot, level=level, flags=flags, dur_s=dur_s)
        case ("deploy", name, place, slot, length):
            start = BASE + slot * SLOT
            conn.execute(
                "INSERT INTO deployment (node_id, site_id, from_t, to_t) VALUES (%s, %s, %s, %s)",
                [name, place, start, start + length * SLOT if length else None],
            )
        case ("end", name, slot):
            conn.execute(
                "UPDATE deployment SET to_t = %s WHERE node_id = %s", [BASE + slot * SLOT, name]
            )
        case ("undeploy", name):
            conn.execute("DELETE FROM deployment WHERE node_id = %s", [name])
        case ("zone", place, zone):
            conn.execute("UPDATE site SET tz = %s WHERE site_id = %s", [zone, place])
        case ("calibrate", name, quantity, line, slot, gain):
            footfall, noise = quantity == "footfall", quantity == "noise"
            conn.execute(
                'INSERT INTO calibration (node_id, quantity, line, from_t, gain, "offset",'
                " reference) VALUES (%s, %s, %s, %s, %s, %s, 'test')",
                [name, quantity, line if footfall else None, BASE + slot * SLOT,
                 1 if noise else gain, 0 if footfall else 1.5],
            )  # fmt: skip
        case ("revoke", table):
            conn.execute(f"UPDATE {table} SET revoked_at = now() WHERE revoked_at IS NULL")
        case ("exclude", whose, stream, slot, length):
            start = BASE + slot * SLOT + timedelta(minutes=5)
            place = whose if whose in ZONES else None
            conn.execute(
                "INSERT INTO exclusion (node_id, site_id, stream, from_t, to_t, reason)"
                " VALUES (%s, %s, %s, %s, %s, 'test')",
                [None if place else whose, place, stream, start, start + length * SLOT],
            )
        case ("flag", enters):
            conn.execute("UPDATE flag SET rollup = %s WHERE name = 'OVERLOAD'", [enters])
        case _:
            roll_up(worker, batch_hours=3)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
def test_views_are_what_recomputation_gives_at_every_moment(
    db: psycopg.Connection, worker: psycopg.Connection, steps: list[tuple[Any, ...]]
) -> None:
    db.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
    fill_registry(db)
    for stream, slot in product(STREAMS, TIMES[::3]):
        insert(db, stream, NODES[0], slot, flags=OVERLOAD if slot % 2 else 0)
    take(db, worker, ("deploy", NODES[0], "quay", TIMES[0], None))
    for quantity in ("light", "noise", "footfall"):
        take(db, worker, ("calibrate", NODES[0], quantity, None, TIMES[2], 1.25))
    take(db, worker, ("exclude", "quay", None, TIMES[-4], 2))
    roll_up(worker)
    for step in steps:
        # The registry's own rules refuse some changes: overlapping stays, two calibrations at once.
        with suppress(psycopg.errors.IntegrityError), db.transaction():
            take(db, worker, step)
        assert_views_are_recomputed(db)
    roll_up(worker)
    assert db.execute("SELECT count(*) FROM rollup_mark").fetchone() == (0,)
    assert_views_are_recomputed(db)
