"""The parts of a dashboard as Grafana's classic JSON: panels, variables, annotations, the whole.

Colours are Okabe and Ito's, told apart with every kind of colour vision. Null is never joined or
drawn as 0: a line ends where the measuring ended.
"""

from dataclasses import asdict, dataclass
from typing import Any

# What Grafana 12.2 to 13.2 write themselves; older ones load it without migrating.
SCHEMA_VERSION = 42
TIMESCALE = {"type": "grafana-postgresql-datasource", "uid": "timescale"}

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
VERMILION = "#D55E00"
GREY = "#999999"

GRID_WIDTH = 24


@dataclass(frozen=True)
class Grid:
    """Where a panel stands; the dashboard is 24 wide."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class State:
    """A range of values (both ends included; None: open) that is shown as a word and a colour."""

    text: str
    color: str
    low: float | None = None
    high: float | None = None


def timeseries(
    panel_id: int,
    title: str,
    sql: str,
    *,
    grid: Grid,
    description: str,
    unit: str,
    axis: str,
    interval: str,
    low: float | None = None,
    bars: bool = False,
) -> dict[str, Any]:
    """One line or bar chart.

    Args:
        unit: A Grafana unit id, such as "lux".
        axis: What the axis says; the quantity in words, with its unit.
        interval: The finest bucket: the length of a record's window.
        low: Where the axis begins; None lets Grafana choose.
    """
    custom = {
        "axisLabel": axis,
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 0,
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": "auto",  # a single record between two gaps has no line to be seen by
        "spanNulls": False,
    }
    defaults: dict[str, Any] = {
        "unit": unit,
        "custom": custom,
        "color": {"mode": "palette-colorblind"},
        "noValue": "no record",
    }
    if low is not None:
        defaults["min"] = low
    return _panel(panel_id, "timeseries", title, grid, description) | {
        "interval": interval,
        "maxDataPoints": 500,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        "targets": [_target(sql, "time_series")],
    }


def state_timeline(
    panel_id: int,
    title: str,
    sql: str,
    *,
    grid: Grid,
    description: str,
    unit: str,
    interval: str,
    states: list[State],
) -> dict[str, Any]:
    """States over time, one line a series; where there is no row, nothing is drawn."""
    defaults = {
        "unit": unit,
        "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
        "color": {"mode": "fixed", "fixedColor": GREY},
        "mappings": _mappings(states),
    }
    return _panel(panel_id, "state-timeline", title, grid, description) | {
        "interval": interval,
        "maxDataPoints": 200,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "auto",
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "single", "sort": "none"},
        },
        "targets": [_target(sql, "time_series")],
    }


def stat(
    panel_id: int, title: str, sql: str, *, grid: Grid, description: str, words: dict[str, str]
) -> dict[str, Any]:
    """One text from a table's first row; `words` maps what it begins with to a colour."""
    mappings = [
        {
            "type": "regex",
            "options": {"pattern": f"^({word}.*)$", "result": {"text": "$1", "color": color}},
        }
        for word, color in words.items()
    ]
    return _panel(panel_id, "stat", title, grid, description) | {
        "fieldConfig": {
            "defaults": {
                "unit": "string",
                "mappings": mappings,
                "color": {"mode": "fixed", "fixedColor": GREY},
                "noValue": "no node at this site",
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"values": True, "calcs": [], "fields": "/.*/", "limit": 1},
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "value",
        },
        "targets": [_target(sql, "table")],
    }


def table(
    panel_id: int,
    title: str,
    sql: str,
    *,
    grid: Grid,
    description: str,
    units: dict[str, str],
    states: dict[str, list[State]] | None = None,
) -> dict[str, Any]:
    """A table; `units` names each column's unit, `states` colours and words of some columns."""
    overrides = [_override(column, {"unit": unit}) for column, unit in units.items()]
    for column, found in (states or {}).items():
        cell = {"mappings": _mappings(found), "custom.cellOptions": {"type": "color-background"}}
        overrides.append(_override(column, cell))
    return _panel(panel_id, "table", title, grid, description) | {
        "fieldConfig": {
            "defaults": {"unit": "string", "color": {"mode": "fixed", "fixedColor": GREY}},
            "overrides": overrides,
        },
        "options": {"showHeader": True, "cellHeight": "sm"},
        "targets": [_target(sql, "table")],
    }


def query_variable(name: str, label: str, sql: str) -> dict[str, Any]:
    """A single-choice variable from a query with the columns `__text` and `__value`."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": TIMESCALE,
        "query": sql,
        "refresh": 2,  # on every change of the time range
        "sort": 1,
        "multi": False,
        "includeAll": False,
        "current": {},
    }


def annotation(name: str, sql: str, color: str) -> dict[str, Any]:
    """Marks on every chart, from a query with the columns `time`, `timeend`, `text`, `tags`."""
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "datasource": TIMESCALE,
        "target": _target(sql, "table"),
    }


def dashboard(
    uid: str,
    title: str,
    *,
    description: str,
    tags: list[str],
    span: str,
    refresh: str,
    variables: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    panels: list[dict[str, Any]],
) -> dict[str, Any]:
    """A whole dashboard that shows the last `span` and asks anew every `refresh`."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": tags,
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "timezone": "browser",
        "weekStart": "monday",
        "graphTooltip": 1,  # one cursor over all charts
        "refresh": refresh,
        "fiscalYearStartMonth": 0,
        "time": {"from": f"now-{span}", "to": "now"},
        "links": [],
        "templating": {"list": variables},
        "annotations": {"list": annotations},
        "panels": panels,
    }


def _panel(panel_id: int, kind: str, title: str, grid: Grid, description: str) -> dict[str, Any]:
    return {
        "id": panel_id,
        "type": kind,
        "title": title,
        "description": description,
        "datasource": TIMESCALE,
        "gridPos": asdict(grid),
    }


def _target(sql: str, shape: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "datasource": TIMESCALE,
        "format": shape,
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": sql.strip(),
    }


def _override(column: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _mappings(states: list[State]) -> list[dict[str, Any]]:
    return [
        {
            "type": "range",
            "options": {
                "from": state.low,
                "to": state.high,
                "result": {"index": index, "text": state.text, "color": state.color},
            },
        }
        for index, state in enumerate(states)
    ]
