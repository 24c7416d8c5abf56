"""Local days of 23 and 25 hours, corrected values on dashboards, and what the public may see."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from server.api.coverage import midnight_before
from server.work.rollup import roll_up
from tests.fixtures_stack import Database
from tests.server.work.raw import BASE, SLOT, insert
from tests.server.work.recomputed import rows

pytestmark = pytest.mark.db

NODE = "lamp-01"


def deploy(conn: psycopg.Connection, site: str, node: str = NODE) -> None:
    conn.execute(
        "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, %s, '2025-03-01Z')",
        [node, site],
    )


def fill(conn: psycopg.Connection, stream: str, first: datetime, hours: int) -> None:
    start = round((first - BASE) / SLOT)
    for slot in range(start, start + 4 * hours):
        insert(conn, stream, NODE, slot, seq=slot + 100_000)


@pytest.mark.parametrize("worked", [False, True], ids=["marked", "kept"])
@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 10, 26), 25), (date(2025, 3, 30), 23)], ids=["25 h", "23 h"]
)
def test_a_local_day_is_the_exact_sum_of_its_hours(
    db: psycopg.Connection, worker: psycopg.Connection, day: date, hours: int, worked: bool
) -> None:
    deploy(db, "park")
    # Berlin's midnight is 22:00 or 23:00 UTC; a day more on either side.
    fill(
        db, "footfall", datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=12), 48
    )
    if worked:
        roll_up(worker)
    (found,) = [r for r in rows(db, "footfall_line_1d")
                if r["local_day"] == day and r["line"] == "door"]  # fmt: skip
    assert (found["valid_s"], found["n"], found["a_to_b"]) == (hours * 3600, hours * 4, hours * 200)
    shown = db.execute(
        "SELECT t, coverage FROM dash.footfall_1d WHERE local_day = %s AND line = 'door'", [day]
    ).fetchone()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(
        hours=2 if day.month == 10 else 1
    )
    assert shown == (midnight, 1.0)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Havana", date(2025, 11, 2), 25),
        ("America/Havana", date(2025, 11, 1), 24),
        ("America/Havana", date(2025, 3, 9), 23),
        ("Atlantic/Azores", date(2025, 10, 26), 25),
        ("Atlantic/Azores", date(2025, 10, 25), 24),
        ("Atlantic/Azores", date(2025, 3, 30), 23),
        ("Asia/Beirut", date(2025, 10, 25), 25),
        ("Asia/Beirut", date(2025, 10, 26), 24),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
        ("Europe/Berlin", date(2025, 10, 26), 25),
    ],
)
def test_a_day_begins_at_its_first_midnight_in_sql_as_in_python(
    db: psycopg.Connection, zone: str, day: date, hours: float
) -> None:
    noon = datetime.combine(day, time(12), ZoneInfo(zone))
    midnight = midnight_before(noon, zone).astimezone(UTC)
    found = db.execute(
        "SELECT local_midnight(%(day)s, %(zone)s), local_day_s(%(day)s, %(zone)s),"
        " (local_midnight(%(day)s, %(zone)s) AT TIME ZONE %(zone)s)::date,"
        " ((local_midnight(%(day)s, %(zone)s) - interval '1 us') AT TIME ZONE %(zone)s)::date",
        {"day": day, "zone": zone},
    ).fetchone()
    assert found == (midnight, hours * 3600, day, day - timedelta(days=1))


def test_an_hour_in_which_a_local_day_begins_is_two_rows(db: psycopg.Connection) -> None:
    deploy(db, "quay")  # Kolkata: midnight is 18:30 UTC
    fill(db, "light", datetime(2025, 10, 25, 18, tzinfo=UTC), 1)
    hours = db.execute("SELECT local_day, valid_s FROM light_1h ORDER BY local_day").fetchall()
    assert hours == [(date(2025, 10, 25), 1800.0), (date(2025, 10, 26), 1800.0)]
    assert db.execute("SELECT valid_s, coverage FROM coverage_1h").fetchall() == [(3600.0, 1.0)]


def test_levels_are_averaged_as_energy_and_shifted_by_the_calibration(
    db: psycopg.Connection,
) -> None:
    deploy(db, "park")
    insert(db, "noise", NODE, 0, level=40.0)
    insert(db, "noise", NODE, 1, level=60.0)
    db.execute(
        'INSERT INTO calibration (node_id, quantity, from_t, "offset", reference)'
        " VALUES (%s, 'noise', '2025-03-01Z', 2, 'test')",
        [NODE],
    )
    (hour,) = rows(db, "dash.noise_1h")
    # 10 log10((10^4 + 10^6) / 2) + 2, not the mean of 42 and 62
    assert hour["laeq_db"] == pytest.approx(59.033, abs=1e-3)
    assert (hour["calibrated"], hour["coverage"]) == (True, 0.5)
    assert [r["laeq_db"] for r in rows(db, "dash.noise_1m")] == [42.0, 62.0]


def test_what_was_not_measured_is_null_and_not_zero(db: psycopg.Connection) -> None:
    deploy(db, "park")
    for stream in ("light", "noise", "footfall"):
        insert(db, stream, NODE, 0, level=None)
    for view, value in (
        ("light_1h", "lux_mean"), ("noise_1h", "laeq_db"), ("footfall_1h", "a_to_b"),
        ("light_1m", "lux"), ("noise_1m", "laeq_db"), ("footfall", "a_to_b"),
        ("light_1d", "lux_mean"), ("noise_1d", "la10_db"), ("footfall_1d", "b_to_a"),
    ):  # fmt: skip
        seen = rows(db, f"dash.{view}")
        assert {row[value] for row in seen} == {None}, view
        assert {row["coverage"] for row in seen} == {0}, view
    (latest,) = [row for row in rows(db, "dash.latest") if row["node_id"] == NODE]
    assert (latest["lux"], latest["light_t"]) == (None, BASE)


def test_excluded_records_are_on_no_dashboard(db: psycopg.Connection) -> None:
    deploy(db, "park")
    for stream in ("light", "noise", "footfall"):
        insert(db, stream, NODE, 0)
    db.execute(
        "INSERT INTO exclusion (site_id, from_t, to_t, reason)"
        " VALUES ('park', %s, %s, 'market day')",
        [BASE + timedelta(minutes=14), BASE + timedelta(hours=9)],
    )
    for view in ("light_1m", "noise_1m", "footfall", "light_1h", "noise_1h", "footfall_1h"):
        assert rows(db, f"dash.{view}") == [], view


def test_latest_and_freshness_name_the_last_record(db: psycopg.Connection) -> None:
    deploy(db, "park")
    insert(db, "footfall", NODE, 0, level=3)
    insert(db, "footfall", NODE, 1, level=4)
    (latest,) = [row for row in rows(db, "dash.latest") if row["node_id"] == NODE]
    assert latest["crossings"] == {
        "door": {"a_to_b": 4, "b_to_a": 4},
        "gate": {"a_to_b": 4, "b_to_a": 4},
    }
    fresh = {row["stream"]: row["last_t"] for row in rows(db, "dash.freshness")}
    assert fresh == {"footfall": BASE + SLOT}


@pytest.mark.parametrize(
    ("each_way", "shown"),
    [(0.0, (None, True)), (2.0, (None, True)), (3.0, (6, False))],
    ids=["none", "four", "six"],
)
def test_the_public_sees_no_count_below_five_and_no_zero(
    db: psycopg.Connection, database: Database, each_way: float, shown: tuple[int | None, bool]
) -> None:
    deploy(db, "park")
    insert(db, "footfall", NODE, 0, level=each_way, dur_s=3600)
    with psycopg.connect(database.dsn_as("msl_public")) as public:
        seen = public.execute(
            "SELECT crossings, withheld FROM footfall_1h WHERE line = 'door'"
        ).fetchall()
    assert seen == [shown]


@pytest.mark.parametrize(
    ("each_way", "gain", "shown"),
    [
        (0.0, 4.0, (None, True)),
        (2.0, 2.0, (None, True)),
        (3.0, 2.0, (12, False)),
        (3.0, 0.5, (None, True)),
    ],
    ids=["none", "four that a gain makes eight", "six", "six that a gain makes three"],
)
def test_a_gain_does_not_lift_a_count_over_the_public_s_limit(
    db: psycopg.Connection, each_way: float, gain: float, shown: tuple[int | None, bool]
) -> None:
    deploy(db, "park")
    insert(db, "footfall", NODE, 0, level=each_way, dur_s=3600)
    db.execute(
        "INSERT INTO calibration (node_id, quantity, from_t, gain, reference)"
        " VALUES (%s, 'footfall', '2025-03-01Z', %s, 'test')",
        [NODE, gain],
    )
    seen = rows(db, "pub.footfall_1h")
    assert [(row["crossings"], row["withheld"]) for row in seen] == [shown] * 2


def test_the_public_sees_how_much_of_the_hour_was_counted(db: psycopg.Connection) -> None:
    deploy(db, "park")
    insert(db, "footfall", NODE, 0, level=30, dur_s=3060)
    assert [row["coverage"] for row in rows(db, "pub.footfall_1h")] == [0.85, 0.85]


def test_the_public_sees_no_hour_that_was_half_seen(db: psycopg.Connection) -> None:
    deploy(db, "park")
    insert(db, "footfall", NODE, 0, level=30)
    assert rows(db, "pub.footfall_1h") == []


def test_the_hour_of_a_move_is_split_between_the_places(db: psycopg.Connection) -> None:
    half = BASE + timedelta(minutes=30)
    db.execute(
        "INSERT INTO deployment (node_id, site_id, from_t, to_t) VALUES (%s, 'park', '2025-03-01Z',"
        " %s), (%s, 'quay', %s, NULL)",
        [NODE, half, NODE, half],
    )
    for slot in range(4):
        insert(db, "light", NODE, slot)
    seen = {row["site_id"]: row["coverage"] for row in rows(db, "dash.coverage_1h")}
    assert seen == {"park": 0.5, "quay": 0.5}
