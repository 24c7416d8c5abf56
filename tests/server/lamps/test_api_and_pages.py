"""Lamps over HTTP, on pages and on the command line, from one told street."""

import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from server.cli import app
from server.lamps.episode_store import reconcile
from server.lamps.night_store import keep_nights, keep_state
from server.lighting.episodes import Episode, Kind
from server.lighting.lamp_night import LampNight
from tests.fixtures_stack import Database
from tests.server.lamps.street import Street

pytestmark = pytest.mark.db
NOW = datetime.now(UTC)
DAY_S = 86_400
BEGAN_S = int(NOW.timestamp()) - 2 * DAY_S


def night(days_ago: int, **fields: Any) -> LampNight:
    """Ten dark hours, lit for all of them."""
    noon_s = (int(NOW.timestamp()) // DAY_S - days_ago) * DAY_S + 11 * 3600
    begin, end = noon_s + 7 * 3600, noon_s + 17 * 3600
    said: dict[str, Any] = {
        "node": "lamp-1", "noon_s": noon_s, "dark_from_s": begin, "dark_to_s": end,
        "lit": ((begin, end),), "dark": (), "on_s": begin, "on_deg": -4.0, "off_s": end,
        "off_deg": -4.0, "expected_on_s": begin - 120, "expected_off_s": end,
        "habit_on_deg": -3.9, "habit_off_deg": -4.0, "level": 0.95, "level_lx": 4.0,
        "coverage": 1.0, "burning_s": end - begin, "switch_ons": 1,
    }  # fmt: skip
    return LampNight(**{**said, **fields})


def fault(node: str, kind: Kind = Kind.LAMP_FAILURE) -> Episode:
    return Episode(
        node=node, kind=kind, from_s=BEGAN_S, to_s=None, raised_s=BEGAN_S + 600,
        confidence=0.97, evidence={"dark_min": 300, "last_lit": BEGAN_S - 60},
    )  # fmt: skip


@pytest.fixture
def told(street: Street, worker: psycopg.Connection) -> psycopg.Connection:
    """A lamp that is out, a dim one, and one without light yet; 30 nights of the first."""
    street.site()
    survey: dict[str, Any] = {
        "survey_factor": 1.5,
        "surveyed_on": "2025-09-01",
        "rated_w": 36,
        "feeder": "F3",
    }
    street.lamp("lamp-1", simulated=True, **survey)
    street.lamp("lamp-2")
    street.lamp("lamp-3")
    found = [fault("lamp-1"), fault("lamp-2", Kind.LEVEL_LOW)]
    reconcile(worker, "park", ["lamp-1", "lamp-2"], found, NOW - timedelta(days=400))
    keep_nights(worker, "park", ZoneInfo("Europe/Berlin"), [night(days) for days in range(1, 32)])
    at_s = int(NOW.timestamp()) - 60
    keep_state(worker, "lamp-1", "out", at_s=at_s, since_s=BEGAN_S, learned=True)
    keep_state(worker, "lamp-2", "lit", at_s=at_s, since_s=BEGAN_S, learned=True)
    return worker


def test_lamps_say_what_they_do_and_one_without_light_says_nothing(
    told: psycopg.Connection, client: httpx.Client
) -> None:
    found = {lamp["node"]: lamp for lamp in client.get("/api/v1/lamps").json()["lamps"]}
    assert (found["lamp-1"]["state"], found["lamp-1"]["open_faults"]) == ("out", ["lampFailure"])
    assert (found["lamp-3"]["state"], found["lamp-3"]["recognised"]) == ("no data", False)
    assert found["lamp-3"]["level"] is None
    assert client.get("/api/v1/lamps/nobody").status_code == 404


def test_an_episode_says_why_and_keeps_what_people_did(
    told: psycopg.Connection, writer: httpx.Client
) -> None:
    (one,) = writer.get("/api/v1/lamps/lamp-1/episodes").json()["episodes"]
    assert (one["kind"], one["source"], one["to"]) == ("lampFailure", "optical-inferred", None)
    assert any("gave no light" in sentence for sentence in one["why"])
    where = f"/api/v1/lamps/lamp-1/episodes/{one['episode']}"
    for body, status in (
        ({"action": "acknowledge", "actor": "ana"}, 201),
        ({"action": "acknowledge", "actor": "ben"}, 409),
        ({"action": "assign", "assignee": "team east"}, 201),
        ({"action": "close"}, 409),
        ({"action": "close", "note": "driver changed"}, 201),
        ({"action": "reopen"}, 201),
    ):
        assert writer.post(f"{where}/actions", json=body).status_code == status, body
    shown = writer.get(where).json()
    assert shown["status"] == "open"
    assert [deed["action"] for deed in shown["trail"]] == [
        "acknowledge", "assign", "close", "reopen",
    ]  # fmt: skip
    # Another lamp's path doesn't lead to it.
    assert writer.get(where.replace("lamp-1", "lamp-2")).status_code == 404


def test_nothing_is_changed_without_the_token(
    told: psycopg.Connection, client: httpx.Client
) -> None:
    answer = client.post("/api/v1/lamps/lamp-1/episodes/1/actions", json={"action": "acknowledge"})
    assert answer.status_code == 403
    assert told.execute("SELECT count(*) FROM lamp_action").fetchone() == (0,)


def test_the_duty_list_follows_the_citys_rules(
    told: psycopg.Connection, writer: httpx.Client
) -> None:
    def order() -> list[str]:
        return [one["episode"]["node"] for one in writer.get("/api/v1/duty").json()["duties"]]

    assert order() == ["lamp-1", "lamp-2"]
    rules = writer.get("/api/v1/duty/rules/lab").json()
    rules["points_by_kind"]["levelTooLow"] = 500
    assert writer.put("/api/v1/duty/rules/lab", json=rules).status_code == 200
    assert order() == ["lamp-2", "lamp-1"]
    rules["points_by_kind"]["noSuchKind"] = 1
    assert writer.put("/api/v1/duty/rules/lab", json=rules).status_code == 400


def test_indicators_come_with_coverage_and_are_refused_without(
    told: psycopg.Connection, client: httpx.Client
) -> None:
    def found(**scope: str) -> dict[str, Any]:
        answer = client.get("/api/v1/lamp-indicators", params=scope)
        return {one["name"]: one for one in answer.json()["indicators"]}

    own = found(node="lamp-1")
    assert own["operating hours"]["value"] == pytest.approx(300)
    assert own["energy (proxy)"]["value"] == pytest.approx(300 * 0.036)
    # 4 lx x 1.5 is above P4's 5 lx.
    assert own["nights under the class target"]["value"] == 0
    assert "not a compliance" in own["nights under the class target"]["note"]
    assert own["switching on, against its habit"]["value"] == pytest.approx(2)
    assert 0.9 < own["availability"]["value"] < 1
    told.execute("UPDATE lamp_night SET coverage = 0.7")
    refused = found(node="lamp-1")["operating hours"]
    assert (refused["value"], refused["coverage"]) == (None, pytest.approx(0.7))
    assert refused["note"].startswith("refused: 70%")


def test_streetlights_have_the_smart_data_models_fields(
    told: psycopg.Connection, client: httpx.Client
) -> None:
    answer = client.get("/api/v1/lamps.jsonld")
    assert answer.headers["content-type"] == "application/ld+json"
    first, second, third = answer.json()
    # Attributes of smart-data-models/dataModel.Streetlighting, Streetlight 0.1.0.
    known = {
        "id", "type", "@context", "location", "areaServed", "source", "annotations", "circuit",
        "powerState", "status", "lanternHeight", "illuminanceLevel", "powerRating",
        "dateLastSwitchingOn", "dateLastSwitchingOff", "observationDateTime",
    }  # fmt: skip
    for entity in (first, second, third):
        assert entity["type"] == "Streetlight"
        assert set(entity) <= known
    assert first["id"] == "urn:ngsi-ld:Streetlight:lab:lamp-1"
    assert first["powerState"]["value"] == "off"
    assert first["status"]["value"] == "defectiveLamp"
    assert "SIMULATED" in first["source"]["value"]
    assert second["status"]["value"] == "ok"
    assert "powerState" not in third
    assert "status" not in third


@pytest.mark.parametrize("path", ["/lamps", "/lamps/lamp-1", "/lamps/lamp-3", "/duty"])
def test_pages_say_it_in_words(told: psycopg.Connection, client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "lamp-" in answer.text
    # The policy lets no inline style or script run, so there must be none.
    assert not re.search(r"\sstyle=|<script>|\son\w+=", answer.text)


def test_pages_of_nothing_say_what_to_do(client: httpx.Client) -> None:
    assert "msl lamps add" in client.get("/lamps").text
    assert "Nothing to do." in client.get("/duty").text
    assert client.get("/lamps/nobody").status_code == 404


def test_a_lamp_that_is_not_recognised_is_not_said_to_be_well(
    street: Street, client: httpx.Client
) -> None:
    street.site()
    street.lamp("lamp-1")
    page = client.get("/duty").text
    assert "Nothing can be told yet." in page
    assert "Nothing to do." not in page
    assert "<b>1</b> not recognised yet" in client.get("/lamps").text


def test_how_many_are_not_recognised_stands_over_the_duty_list(
    told: psycopg.Connection, client: httpx.Client
) -> None:
    page = html.unescape(client.get("/duty").text)
    assert "<b>1</b> of 3 lamps isn't recognised yet" in page


def test_commands_list_explain_and_act(
    told: psycopg.Connection, database: Database, tmp_path: Path
) -> None:
    settings = tmp_path / "server.toml"
    settings.write_text(f'database_dsn = "{database.dsn_as("msl_api")}"\n')

    def msl(*words: str) -> str:
        done = CliRunner().invoke(app, ["lamps", *words, "--settings", str(settings)])
        assert done.exit_code == 0, done.output
        return done.output

    assert re.search(r"lamp-1 SIMULATED .* out .* lampFailure", msl("list"))
    plot = tmp_path / "lamp.svg"
    said = msl("explain", "lamp-1", "--plot", str(plot))
    assert "lamp out (lampFailure), open" in said
    assert "Next: Look at the lamp" in said
    assert plot.read_text().startswith("<svg")
    assert msl("act", "1", "close", "--note", "done").strip() == "episode 1: closed"
    assert "too dim" in msl("duty")
    assert "availability" in msl("indicators", "--node", "lamp-1")
