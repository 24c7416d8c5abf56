"""The registry over HTTP: entered, changed, revoked, audited; and refused without the token."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.api import registry_models as m
from server.api.auth import read_write_token
from server.registry import entries
from server.settings import Settings, SettingsError
from tests.server.api.pilot import Pilot
from tests.server.api.served import TOKEN

BASE = "/api/v1/registry"
LAB = {"lab_id": "nord", "name": "Nord"}
SITE = {
    "site_id": "park", "lab_id": "nord", "name": "City park", "tz": "Europe/Berlin",
    "latitude": 52.5, "longitude": 13.4,
}  # fmt: skip
NODE = {"node_id": "lamp-01", "lab_id": "nord", "created_at": "2026-01-01T00:00:00Z"}
STAY = {"node_id": "lamp-01", "site_id": "park", "from_t": "2026-01-01T00:00:00Z"}
CALIBRATION = {
    "node_id": "lamp-01", "quantity": "light", "from_t": "2026-02-01T00:00:00Z", "gain": 1.1,
    "reference": "lux meter 7",
}  # fmt: skip
EXCLUSION = {
    "site_id": "park", "from_t": "2026-02-01T00:00:00Z", "to_t": "2026-02-02T00:00:00Z",
    "reason": "street fair",
}  # fmt: skip
INTERVENTION = {
    "intervention_id": "relight-1", "lab_id": "nord", "title": "Relighting", "kind": "relighting",
    "arms": {"treated": ["park"]},
}  # fmt: skip


def enter(client: httpx.Client, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"{BASE}/{kind}", json=body)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


def register(writer: httpx.Client) -> httpx.Client:
    """One of each."""
    for kind, body in (
        ("labs", LAB), ("sites", SITE), ("nodes", NODE), ("deployments", STAY),
        ("calibrations", CALIBRATION), ("exclusions", EXCLUSION), ("interventions", INTERVENTION),
    ):  # fmt: skip
        enter(writer, kind, body)
    return writer


@pytest.fixture
def registered(writer: httpx.Client) -> httpx.Client:
    """A writer on a registry with one of each, to be changed."""
    return register(writer)


@pytest.fixture(scope="module")
def lasting(lasting_writer: httpx.Client) -> httpx.Client:
    """A writer on a registry with one of each, for refusals."""
    return register(lasting_writer)


@pytest.mark.db
def test_what_is_entered_is_listed_shown_and_audited_as_the_api_s(
    registered: httpx.Client, pilot: Pilot
) -> None:
    for kind, key, body in (
        ("labs", "nord", LAB), ("sites", "park", SITE), ("nodes", "lamp-01", NODE),
        ("deployments", 1, STAY), ("calibrations", 1, CALIBRATION), ("exclusions", 1, EXCLUSION),
        ("interventions", "relight-1", INTERVENTION),
    ):  # fmt: skip
        (row,) = registered.get(f"{BASE}/{kind}").json()
        assert row == registered.get(f"{BASE}/{kind}/{key}").json()
        assert {name: row[name] for name in body} == body
    actors = pilot.conn.execute("SELECT DISTINCT actor FROM audit").fetchall()
    assert actors == [("api",)]


@pytest.mark.db
def test_a_change_leaves_what_it_does_not_name(registered: httpx.Client) -> None:
    changed = registered.patch(f"{BASE}/sites/park", json={"cordon": True}).json()
    assert (changed["cordon"], changed["name"], changed["tz"]) == (
        True,
        "City park",
        "Europe/Berlin",
    )
    node = registered.patch(f"{BASE}/nodes/lamp-01", json={"state": "maintenance"}).json()
    assert (node["state"], node["simulated"]) == ("maintenance", False)
    arms = {"treated": [], "control": ["park"]}
    answer = registered.patch(f"{BASE}/interventions/relight-1", json={"arms": arms})
    assert answer.json()["arms"] == {"control": ["park"]}
    answer = registered.patch(f"{BASE}/interventions/relight-1", json={"title": "Relit"})
    assert answer.json()["arms"] == {"control": ["park"]}
    answer = registered.patch(f"{BASE}/interventions/relight-1", json={"arms": {}})
    assert (answer.json()["title"], answer.json()["arms"]) == ("Relit", {})


@pytest.mark.db
def test_a_stay_ends_and_the_node_may_be_placed_anew(registered: httpx.Client) -> None:
    again = {**STAY, "from_t": "2026-03-01T00:00:00Z"}
    answer = registered.post(f"{BASE}/deployments", json=again)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    early = registered.post(f"{BASE}/deployments/1/end", json={"at": "2025-01-01T00:00:00Z"})
    assert (early.status_code, early.json()["error"]["field"]) == (400, "at")
    ended = registered.post(f"{BASE}/deployments/1/end", json={"at": "2026-03-01T01:00:00+01:00"})
    assert ended.json()["to_t"] == "2026-03-01T00:00:00Z"
    enter(registered, "deployments", again)


@pytest.mark.db
@pytest.mark.parametrize("kind", ["calibrations", "exclusions"])
def test_a_dated_row_is_revoked_once_and_stays_on_record(
    registered: httpx.Client, kind: str
) -> None:
    assert registered.post(f"{BASE}/{kind}/1/revoke").json()["revoked_at"] is not None
    again = registered.post(f"{BASE}/{kind}/1/revoke")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert len(registered.get(f"{BASE}/{kind}").json()) == 1


@pytest.mark.db
@pytest.mark.parametrize(
    ("kind", "body", "status", "words"),
    [
        ("labs", LAB, 409, "is there already"),
        ("labs", {"lab_id": "Nord!", "name": "x"}, 400, "lab_id"),
        ("labs", {"lab_id": "sued", "name": "x", "colour": "red"}, 400, "colour"),
        ("labs", {"lab_id": "sued", "name": "a\x00b"}, 400, "name"),
        ("labs", {"lab_id": "sued\n", "name": "x"}, 400, "lab_id"),
        ("sites", {**SITE, "site_id": "x1", "lab_id": "west"}, 400, "no lab 'west'"),
        ("sites", {**SITE, "site_id": "x1", "tz": "berlin"}, 400, "Europe/Berlin"),
        ("sites", {**SITE, "site_id": "x1", "latitude": 91}, 400, "latitude"),
        ("sites", {**SITE, "site_id": "x1", "latitude": "NaN"}, 400, "latitude"),
        ("nodes", {**NODE, "node_id": "srv-ingest"}, 400, "node_id"),
        ("deployments", {**STAY, "from_t": "2026-01-01T00:00:00"}, 400, "from_t"),
        ("deployments", {**STAY, "to_t": "2025-01-01T00:00:00Z"}, 400, "is not after"),
        ("calibrations", {**CALIBRATION, "gain": 0}, 400, "gain"),
        ("calibrations", {**CALIBRATION, "quantity": "noise"}, 400, "offset (dB) alone"),
        ("calibrations", {**CALIBRATION, "line": "north"}, 400, "light has no lines"),
        ("exclusions", {**EXCLUSION, "node_id": "lamp-01"}, 400, "either node_id or site_id"),
        ("interventions", {**INTERVENTION, "arms": {"placebo": ["park"]}}, 400, "arms"),
    ],
)
def test_what_does_not_fit_is_refused_in_plain_words(
    lasting: httpx.Client, kind: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = lasting.post(f"{BASE}/{kind}", json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    error = answer.json()["error"]
    assert words in error["message"] + error.get("field", "")


@pytest.mark.db
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"lab_id": NaN}', b"\xff\xfe", b"[" * 60_000]
)
def test_a_body_that_is_no_object_is_400(lasting: httpx.Client, content: bytes) -> None:
    answer = lasting.post(
        f"{BASE}/labs", content=content, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.db
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("sites/nowhere", 404), ("sites/%00", 400), ("nodes/' OR 1=1 --", 404),
        ("deployments/0", 400), ("deployments/99999999999999999999", 400), ("deployments/7", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_404_and_nonsense_400(
    lasting: httpx.Client, path: str, status: int
) -> None:
    answer = lasting.get(f"{BASE}/{path}")
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


@pytest.mark.db
def test_without_a_configured_token_nothing_can_be_changed(client: httpx.Client) -> None:
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer x"}):
        answer = client.post(f"{BASE}/labs", json=LAB, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "writing_off")
    assert client.get(f"{BASE}/labs").json() == []


@pytest.mark.db
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
    ],
)  # fmt: skip
def test_a_missing_or_wrong_token_is_401(lasting: httpx.Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    body = {"lab_id": "sued", "name": "Sued"}
    answer = httpx.post(f"{lasting.base_url}{BASE}/labs", json=body, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert lasting.get(f"{BASE}/labs/sued").status_code == 404


def test_the_token_comes_from_a_file_and_is_long(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_write_token(Settings(serve_write_token_file=str(file))) == TOKEN
    assert read_write_token(Settings()) is None
    file.write_text("secret")
    with pytest.raises(SettingsError, match="has 6 characters, at least 32"):
        read_write_token(Settings(serve_write_token_file=str(file)))


@pytest.mark.parametrize(
    ("new", "entry", "without"),
    [
        (m.NewLab, entries.Lab, set()),
        (m.NewSite, entries.Site, set()),
        (m.NewNode, entries.Node, set()),
        (m.NewDeployment, entries.Deployment, set()),
        # The event of a calibration comes from accepting one, not from typing it in.
        (m.NewCalibration, entries.Calibration, {"event"}),
        (m.NewExclusion, entries.Exclusion, set()),
        (m.NewIntervention, entries.Intervention, set()),
    ],
)
def test_bodies_have_the_registry_s_fields(
    new: type[m._In], entry: type[entries.Entry], without: set[str]
) -> None:
    assert set(new.model_fields) == set(entry.__struct_fields__) - without


def test_times_of_answers_are_utc_with_z() -> None:
    lab = m.Lab(lab_id="a", name="b", contact=None, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert '"created_at":"2026-01-01T00:00:00Z"' in lab.model_dump_json()
