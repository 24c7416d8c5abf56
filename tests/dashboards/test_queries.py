"""Every query of every dashboard, as Grafana would send it, as the role that Grafana has."""

import json
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from dashboards.__main__ import DASHBOARDS, FOLDER
from dashboards.macros import Request, expand, fill_of

pytestmark = pytest.mark.db

# As `seeded` in conftest.py.
SITE = "plaza"
HOSTILE = "o'neil'; DROP TABLE node; --"
SPANS = {"records": timedelta(hours=6), "rollups": timedelta(days=30)}
Series = dict[str, dict[datetime, float | None]]


LOADED = {name: json.loads((FOLDER / name).read_text(encoding="utf-8")) for name in DASHBOARDS}
TARGETS = [
    pytest.param(panel, target, id=f"{name}: {panel['title']}")
    for name, dashboard in LOADED.items()
    for panel in dashboard["panels"]
    for target in panel["targets"]
]
EACH = pytest.mark.parametrize("dashboard", LOADED.values(), ids=list(LOADED))


def _panel(title: str) -> dict[str, Any]:
    panels = [panel for dashboard in LOADED.values() for panel in dashboard["panels"]]
    (found,) = [panel for panel in panels if panel["title"] == title]
    assert isinstance(found, dict)
    return found


def _request(panel: dict[str, Any], start: datetime, span: str) -> Request:
    to_t = start + timedelta(hours=6)
    return Request.of_panel(
        to_t - SPANS[span],
        to_t,
        max_points=panel.get("maxDataPoints", 500),
        min_interval=panel.get("interval", "1m"),
    )


def _run(dsn: str, sql: str, request: Request, site: str = SITE) -> tuple[list[str], list[Any]]:
    # Grafana sends plain text: no parameters, so that a `%` stays one.
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as conn:
        cursor = conn.execute(expand(sql, request, {"site": site}).encode())
        return [column.name for column in cursor.description or []], cursor.fetchall()


def _series(dsn: str, title: str, start: datetime, span: str = "records") -> Series:
    """What the chart draws: one value or None a bucket and series, as Grafana fills them."""
    panel = _panel(title)
    sql = panel["targets"][0]["rawSql"]
    request = _request(panel, start, span)
    _, rows = _run(dsn, sql, request)
    found: Series = defaultdict(dict)
    for t, metric, value in rows:
        found[metric][t] = value
    assert fill_of(sql) == "NULL"
    step = timedelta(milliseconds=request.interval_ms)
    for values in found.values():
        t = min(min(v) for v in found.values())
        while t <= request.to_t:
            values.setdefault(t, None)
            t += step
    return dict(found)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_query_gives_the_shape_its_panel_needs(
    seeded: Any, panel: dict[str, Any], target: dict[str, Any], span: str
) -> None:
    request = _request(panel, seeded.start, span)
    names, rows = _run(seeded.grafana_dsn, target["rawSql"], request)
    assert rows
    if target["format"] == "time_series":
        assert names == ["time", "metric", "value"]
        times = [row[0] for row in rows]
        assert None not in times
        assert times == sorted(times)
        assert any(isinstance(row[2], float) for row in rows)


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_hostile_variable_finds_nothing_and_breaks_nothing(
    seeded: Any, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    request = _request(panel, seeded.start, "records")
    assert _run(seeded.grafana_dsn, target["rawSql"], request, site=HOSTILE)[1] == []


@EACH
def test_variables_offer_every_site(seeded: Any, dashboard: dict[str, Any]) -> None:
    request = _request({}, seeded.start, "records")
    for variable in dashboard["templating"]["list"]:
        names, rows = _run(seeded.grafana_dsn, variable["query"], request)
        assert names == ["__text", "__value"]
        assert rows == [("Empty", "empty"), ("Plaza", SITE)]


@EACH
def test_interventions_are_marked(seeded: Any, dashboard: dict[str, Any]) -> None:
    for annotation in dashboard["annotations"]["list"]:
        request = _request({}, seeded.start, "rollups")
        names, rows = _run(seeded.grafana_dsn, annotation["target"]["rawSql"], request)
        assert names == ["time", "timeend", "text", "tags"]
        assert [row[2:] for row in rows] == [("New lamps", "lighting,treated")]


def _within(values: dict[datetime, float | None], start: datetime, hour: int) -> list[Any]:
    begin = start + timedelta(hours=hour)
    return [value for t, value in values.items() if begin <= t < begin + timedelta(hours=1)]


@pytest.mark.parametrize("span", SPANS)
def test_hour_without_light_records_is_a_gap(seeded: Any, span: str) -> None:
    light = _series(seeded.grafana_dsn, "Light", seeded.start, span)
    assert set(light) == {"plaza-01 SIMULATED", "plaza-02"}
    assert set(_within(light["plaza-02"], seeded.start, 2)) == {None}
    assert 12.5 in _within(light["plaza-02"], seeded.start, 1)
    assert 12.5 in _within(light["plaza-01 SIMULATED"], seeded.start, 2)
    assert 0 not in light["plaza-02"].values()


@pytest.mark.parametrize("span", SPANS)
def test_blind_camera_is_a_gap_and_an_empty_street_a_zero(seeded: Any, span: str) -> None:
    footfall = _series(seeded.grafana_dsn, "Footfall", seeded.start, span)
    gate = footfall["plaza-02 gate A to B"]
    assert set(_within(gate, seeded.start, 3)) == {None}
    assert set(_within(gate, seeded.start, 4)) == {0.0}


@pytest.mark.parametrize("span", SPANS)
def test_half_seen_hour_is_not_half_as_busy(seeded: Any, span: str) -> None:
    footfall = _series(seeded.grafana_dsn, "Footfall", seeded.start, span)
    # 6 crossings each quarter, of which half was seen: 24 in half an hour, 48 an hour.
    assert set(_within(footfall["plaza-02 gate B to A"], seeded.start, 0)) == {48.0}


@pytest.mark.parametrize("span", SPANS)
def test_blocked_microphone_is_a_gap(seeded: Any, span: str) -> None:
    noise = _series(seeded.grafana_dsn, "Noise", seeded.start, span)
    assert set(_within(noise["plaza-02"], seeded.start, 5)) == {None}


def test_noise_is_averaged_as_energy(seeded: Any) -> None:
    noise = _series(seeded.grafana_dsn, "Noise", seeded.start, "rollups")
    (hour,) = _within(noise["plaza-01 SIMULATED"], seeded.start, 0)
    # 10 log10((10^5 + 10^6) / 2)
    assert hour == pytest.approx(57.404, abs=0.001)


def test_recorded_shows_what_is_missing(seeded: Any) -> None:
    recorded = _series(seeded.grafana_dsn, "What was recorded", seeded.start)
    # A minute in five was sent; none at all in the third hour.
    assert _within(recorded["plaza-02 light"], seeded.start, 1) == [pytest.approx(0.2)]
    assert _within(recorded["plaza-02 light"], seeded.start, 2) == [None]
    assert _within(recorded["plaza-02 noise"], seeded.start, 5) == [0.0]


@pytest.mark.parametrize("first_hour", [0, 1, 2])
def test_recorded_is_of_the_hours_that_are_shown(seeded: Any, first_hour: int) -> None:
    # Buckets of three hours over a range of four: at least one of them is cut.
    from_t = seeded.start + timedelta(hours=first_hour)
    request = Request(
        from_t=from_t, to_t=from_t + timedelta(hours=3, minutes=59), interval_ms=3 * 3_600_000
    )
    sql = _panel("What was recorded")["targets"][0]["rawSql"]
    _, rows = _run(seeded.grafana_dsn, sql, request)
    shares = [value for _, metric, value in rows if metric == "plaza-01 light SIMULATED"]
    assert len(shares) >= 2
    assert shares == pytest.approx([0.2] * len(shares))


def test_banner_says_that_some_is_simulated(seeded: Any) -> None:
    panel = _panel("Where these numbers come from")
    sql = panel["targets"][0]["rawSql"]
    request = _request(panel, seeded.start, "records")
    assert _run(seeded.grafana_dsn, sql, request)[1] == [
        ("SIMULATED in part: see the names of the series",)
    ]
    assert _run(seeded.grafana_dsn, sql, request, site="empty")[1] == []


@pytest.mark.parametrize("table", ["light_raw", "node", "dead_letter", "audit", "ledger"])
def test_grafana_reaches_nothing_but_its_views(seeded: Any, table: str) -> None:
    with (
        psycopg.connect(seeded.grafana_dsn) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(f"SELECT count(*) FROM public.{table}")


def test_grafana_can_not_write(seeded: Any) -> None:
    with psycopg.connect(seeded.grafana_dsn, autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = off")  # a guard rail, not the boundary
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("INSERT INTO lab (lab_id, name) VALUES ('x', 'x')")
