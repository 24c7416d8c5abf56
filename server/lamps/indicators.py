"""Lighting indicators of a site, a feeder or a lamp, each with its coverage, or why there is none.

From nights (solar noon to solar noon) that the light told, over the whole nights of a span of
dates. Under 80 % of the dark hours measured nothing is given: what wasn't measured may have been
anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import dict_row

from server.lamps.lighting_class import TARGET_LX

LEAST_COVERAGE = 0.8
Row = dict[str, Any]

_NIGHTS = """
SELECT k.node_id, k.night, k.on_t, k.on_deg, k.off_t, k.off_deg, k.on_late_s, k.off_late_s,
       k.level, k.level_lx, k.coverage, k.burning_s, k.switch_ons, k.dark_s, k.lit_s, k.failed_s,
       l.survey_factor, l.surveyed_on, l.survey_uncertainty, l.class, l.rated_w
FROM dash.lamp_nights AS k JOIN lamp_now AS l USING (node_id)
WHERE k.night BETWEEN %(first)s AND %(last)s AND k.dark_s IS NOT NULL
  AND (%(site)s::text IS NULL OR l.site_id = %(site)s)
  AND (%(node)s::text IS NULL OR l.node_id = %(node)s)
  AND (%(feeder)s::text IS NULL OR l.section = %(feeder)s)
ORDER BY k.node_id, k.night
"""
_REPAIRS = """
SELECT extract(epoch FROM least(d.to_t, d.closed_at) - d.from_t) / 3600 AS hours,
       d.status IN ('open', 'acknowledged') AS open, d.from_t
FROM lamp_duty AS d LEFT JOIN lamp_now AS l USING (node_id)
WHERE d.status <> 'retracted' AND d.from_t < %(end)s AND coalesce(d.to_t, 'infinity') >= %(begin)s
  AND (%(site)s::text IS NULL OR d.site_id = %(site)s)
  AND (%(node)s::text IS NULL OR d.node_id = %(node)s)
  AND (%(feeder)s::text IS NULL OR l.section = %(feeder)s)
"""


@dataclass(frozen=True)
class Indicator:
    """One number with its unit, or why it can't be given."""

    name: str
    unit: str
    value: float | None
    coverage: float | None
    note: str

    def as_json(self) -> Row:
        """For machines."""
        return {
            "name": self.name, "unit": self.unit, "value": self.value,
            "coverage": self.coverage, "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True)
class Scope:
    """Of which lamps, over which nights (dates on which they begin, both included)."""

    first: date
    last: date
    site: str | None = None
    feeder: str | None = None
    node: str | None = None


def indicators(
    conn: psycopg.Connection, scope: Scope, *, repair_within_days: float, now: datetime
) -> list[Indicator]:
    """All indicators of `scope`, in the order of the scorecard."""
    nights = _rows(conn, _NIGHTS, scope)
    coverage = _coverage(nights, scope)
    given = [
        _refused(coverage, name, unit, partial(of, nights))
        for name, unit, of in (
            ("availability", "share", _availability),
            ("lit share", "share", _lit_share),
            ("operating hours", "h", _operating_hours),
            ("switchings on", "1", _switch_ons),
            ("switching on, sun's elevation", "deg", _on_deg),
            ("switching off, sun's elevation", "deg", _off_deg),
            ("switching on, against its habit", "min", _on_late),
            ("switching off, against its habit", "min", _off_late),
            ("level of commissioning", "share", _level),
            ("nights under the class target", "nights", _under_target),
            ("energy (proxy)", "kWh", _energy),
        )
    ]
    return given + _time_to_repair(_rows(conn, _REPAIRS, scope), repair_within_days, now)


def _rows(conn: psycopg.Connection, query: str, scope: Scope) -> list[Row]:
    values = {
        "first": scope.first, "last": scope.last, "site": scope.site, "feeder": scope.feeder,
        "node": scope.node, "begin": datetime(scope.first.year, scope.first.month,
                                              scope.first.day, tzinfo=UTC),
        "end": datetime.fromordinal(scope.last.toordinal() + 2).replace(tzinfo=UTC),
    }  # fmt: skip
    return conn.cursor(row_factory=dict_row).execute(query, values).fetchall()


def _coverage(nights: Sequence[Row], scope: Scope) -> float | None:
    """Measured share of the dark hours; nights without a row were dark as long as the others."""
    if not nights:
        return None
    lamps = {row["node_id"] for row in nights}
    expected_n = len(lamps) * ((scope.last - scope.first).days + 1)
    mean_s = sum(row["dark_s"] for row in nights) / len(nights)
    measured_s = sum(row["coverage"] * row["dark_s"] for row in nights)
    return float(min(measured_s / (mean_s * max(expected_n, len(nights))), 1.0))


_Told = tuple[float | None, str]


def _refused(coverage: float | None, name: str, unit: str, tell: Callable[[], _Told]) -> Indicator:
    if coverage is None:
        return Indicator(name, unit, None, None, "no night of these lamps was told")
    if coverage < LEAST_COVERAGE:
        note = f"refused: {coverage:.0%} of the dark hours measured, {LEAST_COVERAGE:.0%} needed"
        return Indicator(name, unit, None, coverage, note)
    value, note = tell()
    return Indicator(name, unit, value, coverage, note)


def _availability(nights: Sequence[Row]) -> _Told:
    dark_s = sum(row["dark_s"] for row in nights)
    failed_s = sum(row["failed_s"] for row in nights)
    return 1 - failed_s / dark_s, "1 - dark seconds within an outage / dark seconds"


def _lit_share(nights: Sequence[Row]) -> _Told:
    measured_s = sum(row["dark_s"] * row["coverage"] for row in nights)
    lit_s = sum(row["lit_s"] for row in nights)
    return min(lit_s / measured_s, 1.0), "lit seconds / measured seconds of sun under -6 degrees"


def _operating_hours(nights: Sequence[Row]) -> _Told:
    return sum(row["burning_s"] for row in nights) / 3600, "of all lamps, as seen lit"


def _switch_ons(nights: Sequence[Row]) -> _Told:
    return float(sum(row["switch_ons"] for row in nights)), "of all lamps, as seen"


def _on_deg(nights: Sequence[Row]) -> _Told:
    return _median_of(nights, "on_deg", 1.0)


def _off_deg(nights: Sequence[Row]) -> _Told:
    return _median_of(nights, "off_deg", 1.0)


def _on_late(nights: Sequence[Row]) -> _Told:
    return _median_of(nights, "on_late_s", 1 / 60)


def _off_late(nights: Sequence[Row]) -> _Told:
    return _median_of(nights, "off_late_s", 1 / 60)


def _level(nights: Sequence[Row]) -> _Told:
    return _median_of(nights, "level", 1.0)


def _median_of(nights: Sequence[Row], column: str, factor: float) -> _Told:
    seen = [row[column] * factor for row in nights if row[column] is not None]
    if not seen:
        return None, "not seen on any of these nights"
    return float(median(seen)), f"median of {len(seen)} nights on which it was seen"


def _under_target(nights: Sequence[Row]) -> _Told:
    """Nights whose estimated average was under the class target.

    Estimated average = level at the node x survey factor; one point says nothing of an area
    without a survey.
    """
    if any(row["survey_factor"] is None for row in nights):
        return None, "no survey factor registered: one point is no average"
    classes = {row["class"] for row in nights}
    untold = [str(c) for c in classes if c not in TARGET_LX]
    if untold:
        return None, f"class {', '.join(sorted(untold))} has no target in lux"
    told = [row for row in nights if row["level_lx"] is not None]
    if not told:
        return None, "lit on none of these nights"
    under_n = sum(row["level_lx"] * row["survey_factor"] < TARGET_LX[row["class"]] for row in told)
    surveyed = min(row["surveyed_on"] for row in told)
    unsure = [row["survey_uncertainty"] for row in told if row["survey_uncertainty"] is not None]
    give = f", ±{2 * max(unsure):.0%}" if unsure else ", uncertainty not stated"
    note = f"of {len(told)}, by the estimated average: survey of {surveyed}{give}; not a compliance"
    return float(under_n), note


def _energy(nights: Sequence[Row]) -> _Told:
    if any(row["rated_w"] is None for row in nights):
        return None, "no rated power registered"
    watt_s = sum(row["burning_s"] * row["rated_w"] for row in nights)
    return watt_s / 3.6e6, "seen lit x rated power; no meter, and dimming isn't taken off"


def _time_to_repair(repairs: Sequence[Row], within_days: float, now: datetime) -> list[Indicator]:
    hours = [float(row["hours"]) for row in repairs if not row["open"] and row["hours"] is not None]
    late_n = sum(
        (now - row["from_t"]).total_seconds() > within_days * 86_400
        for row in repairs
        if row["open"]
    )
    note = f"begin to end of {len(hours)} episodes"
    middle = float(np.median(hours)) if hours else None
    slow = float(np.quantile(hours, 0.9)) if hours else None
    return [
        Indicator("time to repair, median", "h", middle, None, note),
        Indicator("time to repair, 90 % within", "h", slow, None, note),
        Indicator("open for too long", "1", float(late_n), None, f"over {within_days:g} days"),
    ]
