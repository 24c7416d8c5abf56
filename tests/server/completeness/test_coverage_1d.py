"""Coverage of local days: of 23, 24 and 25 hours, by the day's own length."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fixtures_stack import Database
from tests.server.ingest.testlab import NODE, Lab, Wire

pytestmark = pytest.mark.db
HOUR_MS = 3_600_000


@pytest.fixture
def at_berlin(lab: Lab) -> Lab:
    lab.admin.execute(
        "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
        " VALUES ('platz', 'testlab', 'Platz', 'Europe/Berlin', 52.5, 13.4)"
    )
    lab.admin.execute(
        "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, 'platz', '2020-01-01Z')",
        (NODE,),
    )
    return lab


def hours(lab: Lab, wire: Wire, first: datetime, n: int, valid_s: float = 3600) -> None:
    """One record an hour, the first beginning at `first`."""
    begin_ms = int(first.timestamp() * 1000)
    records = [
        wire.light(seq, t=begin_ms + (seq - 1) * HOUR_MS, dur_s=3600.0, valid_s=valid_s)
        for seq in range(1, n + 1)
    ]
    received_ms = begin_ms + 200 * HOUR_MS
    lab.store(wire.message(records, received_ms=received_ms))


@pytest.mark.parametrize(
    ("midnight", "hours_n"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        (datetime(2026, 5, 9, 22, tzinfo=UTC), 24),
        (datetime(2025, 10, 25, 22, tzinfo=UTC), 25),
    ],
    ids=["spring", "plain", "autumn"],
)
def test_a_whole_day_is_covered_whole_whatever_its_length(
    at_berlin: Lab, wire: Wire, midnight: datetime, hours_n: int
) -> None:
    hours(at_berlin, wire, midnight, hours_n)
    day = (midnight + timedelta(hours=3)).date()
    row = at_berlin.rows("SELECT local_day, n, valid_s, day_s, coverage FROM coverage_1d")
    assert row == [(day, hours_n, hours_n * 3600.0, hours_n * 3600.0, 1.0)]


def test_seconds_that_saw_nothing_do_not_count(at_berlin: Lab, wire: Wire) -> None:
    hours(at_berlin, wire, datetime(2026, 5, 9, 22, tzinfo=UTC), 12, valid_s=900)
    assert at_berlin.rows("SELECT coverage FROM coverage_1d") == [(0.125,)]


def test_grafana_sees_it_with_the_sites_midnight(
    at_berlin: Lab, wire: Wire, database: Database
) -> None:
    midnight = datetime(2026, 5, 9, 22, tzinfo=UTC)
    hours(at_berlin, wire, midnight, 6)
    at_berlin.admin.execute("SET ROLE msl_grafana")
    found: list[tuple[Any, ...]] = at_berlin.rows(
        "SELECT t, stream, site_id, coverage FROM dash.coverage_1d"
    )
    assert found == [(midnight, "light", "platz", 0.25)]


def test_the_days_seconds_are_the_sum_of_its_hours(at_berlin: Lab, wire: Wire) -> None:
    hours(at_berlin, wire, datetime(2026, 5, 9, 20, tzinfo=UTC), 30, valid_s=1800)
    assert at_berlin.one("SELECT sum(valid_s) FROM coverage_1d") == at_berlin.one(
        "SELECT sum(valid_s) FROM coverage_1h"
    )


def test_on_the_day_of_a_move_each_site_has_the_seconds_measured_there(
    at_berlin: Lab, wire: Wire
) -> None:
    midnight = datetime(2026, 5, 9, 22, tzinfo=UTC)
    moved = midnight + timedelta(hours=6)
    at_berlin.admin.execute(
        "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
        " VALUES ('ufer', 'testlab', 'Ufer', 'Europe/Berlin', 52.5, 13.4)"
    )
    at_berlin.admin.execute("UPDATE deployment SET to_t = %s", (moved,))
    at_berlin.admin.execute(
        "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, 'ufer', %s)", (NODE, moved)
    )
    hours(at_berlin, wire, midnight, 24)
    seen = at_berlin.rows("SELECT site_id, valid_s, coverage FROM dash.coverage_1d ORDER BY 1")
    assert seen == [("platz", 6 * 3600.0, 0.25), ("ufer", 18 * 3600.0, 0.75)]
