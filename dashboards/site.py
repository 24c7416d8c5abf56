"""The dashboard of one site: light, footfall and noise, and whether they can be believed.

Each query reads one-minute (or 15-minute) records while a bucket is under an hour, and hourly
rollups from there on: the other half of the UNION is ruled out before it is run.
"""

from typing import Any

from dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Grid,
    State,
    annotation,
    dashboard,
    query_variable,
    stat,
    state_timeline,
    table,
    timeseries,
)

UID = "msl-site"

SITES = "SELECT site AS __text, site_id AS __value FROM dash.sites ORDER BY site"

INTERVENTIONS = """
SELECT from_t AS time, to_t AS timeend, title AS text, kind || ',' || arm AS tags
FROM dash.interventions
WHERE site_id = '$site' AND from_t <= $__timeTo()::timestamptz
  AND coalesce(to_t, from_t) >= $__timeFrom()::timestamptz
ORDER BY 1
"""

ORIGIN = """
SELECT CASE
         WHEN bool_and(simulated) THEN 'SIMULATED: emulated hardware, nothing here was measured'
         WHEN bool_or(simulated) THEN 'SIMULATED in part: see the names of the series'
         ELSE 'measured'
       END AS origin
FROM dash.nodes WHERE site_id = '$site' HAVING count(*) > 0
"""

FRESHNESS = """
SELECT node_id || CASE WHEN simulated THEN ' SIMULATED' ELSE '' END AS node, stream,
       last_t AS "last record", age_s AS age, age_s AS state
FROM dash.freshness WHERE site_id = '$site'
ORDER BY node_id, stream
"""
FRESH_STATES = [
    # Four missed windows of 15 minutes: later than any stream of a node that works.
    State("fresh", GREEN, high=3600),
    State("late", ORANGE, low=3600, high=86_400),
    State("silent", VERMILION, low=86_400),
]

LIGHT = """
SELECT $__timeGroupAlias(t, $__interval, NULL),
       node_id || CASE WHEN simulated THEN ' SIMULATED' ELSE '' END AS metric,
       sum(lux * valid_s) / nullif(sum(valid_s) FILTER (WHERE lux IS NOT NULL), 0) AS value
FROM (
  SELECT t, node_id, simulated, lux, valid_s FROM dash.light_1m
  WHERE $__interval_ms < 3600000 AND site_id = '$site' AND $__timeFilter(t)
  UNION ALL
  SELECT t, node_id, simulated, lux_mean, valid_s FROM dash.light_1h
  WHERE $__interval_ms >= 3600000 AND site_id = '$site' AND $__timeFilter(t)
) AS light
GROUP BY 1, 2 ORDER BY 1, 2
"""

FOOTFALL = """
SELECT $__timeGroupAlias(t, $__interval, NULL),
       node_id || ' ' || line || d.way || CASE WHEN simulated THEN ' SIMULATED' ELSE '' END
         AS metric,
       3600 * sum(d.n) / nullif(sum(valid_s) FILTER (WHERE d.n IS NOT NULL), 0) AS value
FROM (
  SELECT t, node_id, simulated, line, a_to_b, b_to_a, valid_s FROM dash.footfall
  WHERE $__interval_ms < 3600000 AND site_id = '$site' AND $__timeFilter(t)
  UNION ALL
  SELECT t, node_id, simulated, line, a_to_b, b_to_a, valid_s FROM dash.footfall_1h
  WHERE $__interval_ms >= 3600000 AND site_id = '$site' AND $__timeFilter(t)
) AS footfall
CROSS JOIN LATERAL (VALUES (' A to B', a_to_b), (' B to A', b_to_a)) AS d(way, n)
GROUP BY 1, 2 ORDER BY 1, 2
"""

NOISE = """
SELECT $__timeGroupAlias(t, $__interval, NULL),
       node_id || CASE WHEN simulated THEN ' SIMULATED' ELSE '' END AS metric,
       10 * log(sum(power(10, laeq_db / 10) * valid_s)
                / nullif(sum(valid_s) FILTER (WHERE laeq_db IS NOT NULL), 0)) AS value
FROM (
  SELECT t, node_id, simulated, laeq_db, valid_s FROM dash.noise_1m
  WHERE $__interval_ms < 3600000 AND site_id = '$site' AND $__timeFilter(t)
  UNION ALL
  SELECT t, node_id, simulated, laeq_db, valid_s FROM dash.noise_1h
  WHERE $__interval_ms >= 3600000 AND site_id = '$site' AND $__timeFilter(t)
) AS noise
GROUP BY 1, 2 ORDER BY 1, 2
"""

# Of a bucket that the range or the present cuts, the hours that are left make the whole.
RECORDED = """
SELECT "time", metric,
       least(valid_s / (3600.0 * (
         SELECT count(*) FROM generate_series(
           "time", "time" + $__interval_ms * interval '1 ms' - interval '1 hour',
           interval '1 hour') AS t
         WHERE $__timeFilter(t) AND t < date_trunc('hour', now()))), 1) AS value
FROM (
  SELECT $__timeGroupAlias(t, $__interval, NULL),
         node_id || ' ' || stream || CASE WHEN simulated THEN ' SIMULATED' ELSE '' END AS metric,
         sum(valid_s) AS valid_s
  FROM dash.coverage_1h
  WHERE site_id = '$site' AND stream <> 'health' AND $__timeFilter(t)
    AND t < date_trunc('hour', now())
  GROUP BY 1, 2
) AS bucket
ORDER BY 1, 2
"""
COVERAGE_STATES = [
    State("records, nothing measured", PURPLE, low=0, high=0),
    State("under 80 %", ORANGE, low=0.000001, high=0.799999),
    State("80 % and more", BLUE, low=0.8, high=1),
]


def build() -> dict[str, Any]:
    """The dashboard's JSON."""
    return dashboard(
        UID,
        "Site: light, footfall, noise",
        description=(
            "What one site measured, with its gaps. Values are corrected by the calibrations on"
            " record; records barred by their flags or by an exclusion are left out."
        ),
        tags=["municipal-safety-lab"],
        span="2d",
        refresh="1m",
        variables=[query_variable("site", "Site", SITES)],
        annotations=[annotation("Interventions", INTERVENTIONS, SKY)],
        panels=[_origin(), _freshness(), _light(), _footfall(), _noise(), _recorded()],
    )


def _origin() -> dict[str, Any]:
    return stat(
        1,
        "Where these numbers come from",
        ORIGIN,
        grid=Grid(0, 0, 8, 6),
        description="Whether nodes at this site are real or emulated. Emulated ones are marked"
        " SIMULATED in the name of every series too.",
        words={"SIMULATED": VERMILION, "measured": BLUE},
    )


def _freshness() -> dict[str, Any]:
    return table(
        2,
        "Last records",
        FRESHNESS,
        grid=Grid(8, 0, 16, 6),
        description="When the newest record of each stream of each node began, whether anything was"
        " measured in it or not: fresh within an hour, late within a day, else silent. A stream"
        " that never sent anything isn't listed.",
        units={"last record": "dateTimeAsIso", "age": "s"},
        states={"state": FRESH_STATES},
    )


def _light() -> dict[str, Any]:
    return timeseries(
        3,
        "Light",
        LIGHT,
        grid=Grid(0, 6, 24, 9),
        description="Illuminance at the sensor: medians of a minute, averaged by the seconds really"
        " measured. A gap is a time without records; darkness is a line near 0.",
        unit="lux",
        axis="illuminance (lx)",
        interval="1m",
        low=0,
    )


def _footfall() -> dict[str, Any]:
    return timeseries(
        4,
        "Footfall",
        FOOTFALL,
        grid=Grid(0, 15, 24, 9),
        description="Crossings of each line, each way, per hour in which the camera could see; an"
        " hour half seen is not half as busy. Lines are never added up. No bar: nothing was seen"
        " or counted; a bar of 0: nobody passed.",
        unit="none",
        axis="crossings per observed hour",
        interval="15m",
        low=0,
        bars=True,
    )


def _noise() -> dict[str, Any]:
    return timeseries(
        5,
        "Noise",
        NOISE,
        grid=Grid(0, 24, 24, 9),
        description="LAeq, A-weighted, averaged as energy by the seconds really measured. By the"
        " microphone's nominal sensitivity unless a calibration is on record.",
        unit="dB",
        axis="LAeq (dB re 20 µPa)",
        interval="1m",
    )


def _recorded() -> dict[str, Any]:
    return state_timeline(
        6,
        "What was recorded",
        RECORDED,
        grid=Grid(0, 33, 24, 8),
        description="Share of the time that was really measured, per node and stream, by the hour"
        " or, over more than twelve days, by several; the hour under way is left out. Empty: no"
        " records at all.",
        unit="percentunit",
        interval="1h",
        states=COVERAGE_STATES,
    )
