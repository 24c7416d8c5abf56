"""Rules that every dashboard keeps, whatever it shows."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dashboards import panels
from dashboards.__main__ import DASHBOARDS, FOLDER, as_json
from tests.provisioning.repository import ROOT

LOADED = {name: json.loads((FOLDER / name).read_text(encoding="utf-8")) for name in DASHBOARDS}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in LOADED.items()
    for panel in dashboard["panels"]
]
EACH = pytest.mark.parametrize("dashboard", LOADED.values(), ids=list(LOADED))
OKABE_ITO = {
    panels.BLUE, panels.ORANGE, panels.GREEN, panels.PURPLE, panels.SKY, panels.VERMILION,
    panels.GREY,
}  # fmt: skip
UNITS = {"lux", "dB", "none", "percentunit", "s", "string", "dateTimeAsIso"}


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["rawSql"] for target in panel["targets"])
    yield from (found["target"]["rawSql"] for found in dashboard["annotations"]["list"])
    yield from (found["query"] for found in dashboard["templating"]["list"])


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_committed_dashboard_is_current(name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")
    assert committed == as_json(DASHBOARDS[name]()), "out of date; run `python -m dashboards`"


def test_every_generated_file_has_its_source() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(DASHBOARDS)


def test_uids_and_titles_are_unique_and_ours() -> None:
    uids = [dashboard["uid"] for dashboard in LOADED.values()]
    assert len(set(uids)) == len({d["title"] for d in LOADED.values()}) == len(LOADED)
    assert all(re.fullmatch(r"msl-[a-z0-9-]{1,35}", uid) for uid in uids)


@EACH
def test_dashboard_can_not_be_edited_in_the_browser(dashboard: dict[str, Any]) -> None:
    assert dashboard["editable"] is False
    assert dashboard["schemaVersion"] == 42
    assert dashboard["description"]


@EACH
def test_panel_ids_are_unique(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert 0 not in ids


@EACH
def test_panels_fit_the_grid_and_never_overlap(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= panels.GRID_WIDTH
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not taken & cells
        taken |= cells


@EACH
def test_everything_asks_the_one_data_source(dashboard: dict[str, Any]) -> None:
    path = ROOT / "provisioning/grafana/datasources/timescale.yaml"
    (source,) = yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    found = [node["datasource"] for node in nodes(dashboard) if "datasource" in node]
    assert found
    assert all(ref == {"type": source["type"], "uid": source["uid"]} for ref in found)


@EACH
def test_queries_read_views_of_schema_dash_alone(dashboard: dict[str, Any]) -> None:
    for sql in queries(dashboard):
        # A series of hours comes from no table.
        tables = re.findall(r"\b(?:FROM|JOIN)\s+(?!\(|LATERAL|generate_series)([\w.]+)", sql)
        assert tables
        assert all(table.startswith("dash.") for table in tables), tables


@EACH
def test_colours_are_okabe_and_itos(dashboard: dict[str, Any]) -> None:
    colours = set(re.findall(r"#[0-9A-Fa-f]{6}\b", json.dumps(dashboard)))
    assert colours <= OKABE_ITO


@EACH
def test_every_state_has_a_word(dashboard: dict[str, Any]) -> None:
    results = [node["result"] for node in nodes(dashboard) if "result" in node]
    assert results
    assert all(result["text"] and result["color"] in OKABE_ITO for result in results)


@EACH
def test_simulated_is_visible(dashboard: dict[str, Any]) -> None:
    assert any("simulated" in t["rawSql"] for p in dashboard["panels"] for t in p["targets"])


@pytest.mark.parametrize("panel", PANELS)
def test_panel_has_title_description_and_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@pytest.mark.parametrize("panel", PANELS)
def test_series_show_gaps_as_gaps_and_name_what_is_simulated(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        if target["format"] != "time_series":
            continue
        assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False
        assert "$__timeGroupAlias(t, $__interval, NULL)" in target["rawSql"]
        assert "CASE WHEN simulated THEN ' SIMULATED'" in target["rawSql"]
        assert "ORDER BY 1" in target["rawSql"]
        assert re.fullmatch(r"\d+[smhdw]", panel["interval"])


@pytest.mark.parametrize("panel", PANELS)
def test_levels_are_averaged_as_energy(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert not re.search(r"\bavg\(\s*l[ac]", target["rawSql"])


@pytest.mark.parametrize("panel", PANELS)
def test_chart_names_its_axis(panel: dict[str, Any]) -> None:
    if panel["type"] == "timeseries":
        assert panel["fieldConfig"]["defaults"]["custom"]["axisLabel"]
