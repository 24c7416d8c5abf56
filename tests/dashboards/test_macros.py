"""Expansion equals Grafana's, case by case (pkg/tsdb/grafana-postgresql-datasource)."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.macros import MacroError, Request, expand, fill_of, interval_text

FROM = datetime(2026, 11, 15, tzinfo=UTC)
REQUEST = Request(from_t=FROM, to_t=FROM + timedelta(days=1), interval_ms=300_000)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select $__time(t)", 'select t AS "time"'),
        ("$__timeFilter(t)", "t BETWEEN '2026-11-15T00:00:00Z' AND '2026-11-16T00:00:00Z'"),
        ("$__timeFrom() $__timeTo()", "'2026-11-15T00:00:00Z' '2026-11-16T00:00:00Z'"),
        ("$__timeGroup(t,'5m')", "time_bucket('300.000s',t)"),
        ("$__timeGroup(t , '5m', NULL)", "time_bucket('300.000s',t)"),
        ("$__timeGroupAlias(t, 1d)", "time_bucket('86400.000s',t) AS \"time\""),
        ("$__timeGroupAlias(t, $__interval)", "time_bucket('300.000s',t) AS \"time\""),
        ("$__interval_ms / $__interval", "300000 / 5m"),
        ("'$site' [[site]] ${site}", "'a' a a"),
        ("a -- $__nonsense(t)\nb", "a \nb"),
        ("a /* $__nonsense(t) */ b", "a  b"),
        ("'-- no comment'", "'-- no comment'"),
    ],
)
def test_macro_expands_as_grafana_does(sql: str, expected: str) -> None:
    assert expand(sql, REQUEST, {"site": "a"}) == expected


def test_quote_in_a_variable_is_doubled() -> None:
    assert expand("'$site'", REQUEST, {"site": "o'neil'; --"}) == "'o''neil''; --'"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("$__timeGruop(t, 5m)", "unknown macro"),
        ("$__timeFilter(coalesce(a,b))", "no parentheses"),
        ("$__timeGroup(t, 1M)", "'1M' is not"),
        ("$__timeGroup(t)", "needs a column and an interval"),
        ("$city", "not defined"),
        ("${__from:date}", "browser only"),
    ],
)
def test_what_grafana_refuses_is_refused(sql: str, reason: str) -> None:
    with pytest.raises(MacroError, match=reason):
        expand(sql, REQUEST, {"site": "a"})


@pytest.mark.parametrize(
    ("interval_ms", "text"),
    [(500, "500ms"), (1000, "1s"), (90_000, "1m"), (5_400_000, "1h"), (172_800_000, "2d")],
)
def test_interval_is_cut_to_its_largest_unit(interval_ms: int, text: str) -> None:
    assert interval_text(interval_ms) == text


@pytest.mark.parametrize(
    ("span", "least", "interval_ms"),
    [
        (timedelta(hours=1), "1m", 60_000),
        (timedelta(days=2), "1m", 300_000),
        (timedelta(days=2), "15m", 900_000),
        (timedelta(days=30), "1m", 3_600_000),
        (timedelta(days=365), "1m", 43_200_000),
    ],
)
def test_bucket_is_the_one_grafana_chooses(span: timedelta, least: str, interval_ms: int) -> None:
    request = Request.of_panel(FROM, FROM + span, max_points=500, min_interval=least)
    assert request.interval_ms == interval_ms


def test_fill_argument_is_found() -> None:
    assert fill_of("select $__timeGroupAlias(t, $__interval, NULL), x") == "NULL"
    assert fill_of("select $__timeGroupAlias(t, $__interval), x") is None
