"""`/api/v1/series/{stream}`: gaps stay gaps, pages join without loss, questions are checked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contract.flags import Flag
from contract.streams import Stream
from tests.server.api.pilot import Pilot

pytestmark = pytest.mark.db

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE_DAY = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}


def ask(client: httpx.Client, stream: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/series/{stream}", params={**WHOLE_DAY, **query})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_gap_is_absent_and_a_blind_window_is_null(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, DAY, lux_p50=0)
    pilot.record("lamp-01", Stream.LIGHT, DAY + timedelta(minutes=2), valid_s=0)
    body = ask(client, "light", node="lamp-01")
    assert [(r["t"], r["values"]["lux_p50"]) for r in body["rows"]] == [
        ("2026-03-01T00:00:00Z", 0),
        ("2026-03-01T00:02:00Z", None),
    ]
    assert (body["units"]["lux_p50"], body["corrected"], body["next"]) == ("lx", False, None)


def test_the_end_is_exclusive_and_the_beginning_inclusive(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.node("lamp-01")
    for minutes in (0, 1, 2):
        pilot.record("lamp-01", Stream.NOISE, DAY + timedelta(minutes=minutes))
    body = ask(client, "noise", node="lamp-01", to="2026-03-01T00:02:00Z")
    assert [r["t"][11:16] for r in body["rows"]] == ["00:00", "00:01"]


def test_another_zone_in_the_question_is_utc_in_the_answer(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.NOISE, DAY)
    body = ask(client, "noise", node="lamp-01", **{"from": "2026-03-01T01:00:00+01:00"})
    assert [r["t"] for r in body["rows"]] == ["2026-03-01T00:00:00Z"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_join_to_the_whole_without_loss_or_double(
    client: httpx.Client, pilot: Pilot, limit: int
) -> None:
    pilot.site("plaza")
    for node in ("lamp-01", "lamp-02"):
        pilot.node(node, "plaza", age=timedelta(days=3650))
        for n in range(5):
            pilot.record(node, Stream.LIGHT, DAY + timedelta(minutes=n))
    whole = [(r["t"], r["node"]) for r in ask(client, "light", site="plaza")["rows"]]
    pages: list[tuple[str, str]] = []
    since: str | None = WHOLE_DAY["from"]
    while since is not None:
        body = ask(client, "light", site="plaza", limit=limit, **{"from": since})
        pages += [(r["t"], r["node"]) for r in body["rows"]]
        since = body["next"]
    assert pages == whole
    assert len(whole) == 10


def test_a_node_counts_for_a_site_only_while_it_stood_there(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.site("plaza")
    pilot.site("park")
    pilot.node("lamp-01")
    for site, first, last in (("plaza", 0, 2), ("park", 2, 4)):
        pilot.conn.execute(
            "INSERT INTO deployment (node_id, site_id, from_t, to_t) VALUES (%s, %s, %s, %s)",
            ["lamp-01", site, DAY + timedelta(hours=first), DAY + timedelta(hours=last)],
        )
    for hour in range(4):
        pilot.record("lamp-01", Stream.LIGHT, DAY + timedelta(hours=hour))
    for grain in ("raw", "1h"):
        rows = ask(client, "light", site="park", grain=grain)["rows"]
        assert [r["t"][11:16] for r in rows] == ["02:00", "03:00"], grain


def test_two_stays_at_one_site_on_a_day_count_once_and_from_their_first_record(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.site("plaza", tz="UTC")
    pilot.node("lamp-01")
    for first, last in ((630, 660), (690, 720)):  # taken down at 11:00, up again at 11:30
        pilot.conn.execute(
            "INSERT INTO deployment (node_id, site_id, from_t, to_t) VALUES (%s, %s, %s, %s)",
            ["lamp-01", "plaza", DAY + timedelta(minutes=first), DAY + timedelta(minutes=last)],
        )
    for minutes in (640, 700):
        t = DAY + timedelta(minutes=minutes)
        pilot.record("lamp-01", Stream.FOOTFALL, t, dur_s=300, lines={"north": (5, 0)})
    for grain, at in (("1h", "t"), ("1d", "day")):
        rows = ask(client, "footfall", site="plaza", grain=grain)["rows"]
        assert sum(r["values"]["a_to_b"] for r in rows) == 10, grain
        assert len(rows) == 2, grain
        assert all(r[at] for r in rows)


def test_hours_are_corrected_and_energy_averaged(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    pilot.calibrate("lamp-01", "noise", DAY - timedelta(days=1), offset=1)
    pilot.record("lamp-01", Stream.NOISE, DAY, laeq=50)
    pilot.record("lamp-01", Stream.NOISE, DAY + timedelta(minutes=1), laeq=70)
    body = ask(client, "noise", node="lamp-01", grain="1h")
    (row,) = body["rows"]
    # 10 log10 of the mean of 10^5 and 10^7, and 1 dB of calibration: never the mean of dB.
    assert row["values"]["laeq"] == pytest.approx(68.03, abs=0.01)
    assert (row["valid_s"], row["records_n"], body["corrected"]) == (120, 2, True)


def test_days_are_those_of_the_site(client: httpx.Client, pilot: Pilot) -> None:
    pilot.site("plaza", tz="America/Bogota")
    pilot.node("lamp-01", "plaza", age=timedelta(days=3650))
    pilot.record("lamp-01", Stream.LIGHT, DAY + timedelta(hours=4))
    pilot.record("lamp-01", Stream.LIGHT, DAY + timedelta(hours=6))
    rows = ask(client, "light", node="lamp-01", grain="1d")["rows"]
    assert [(r["day"], r["t"], r["records_n"]) for r in rows] == [
        ("2026-02-28", None, 1),
        ("2026-03-01", None, 1),
    ]


def test_pages_of_days_join(client: httpx.Client, pilot: Pilot) -> None:
    pilot.site("plaza", tz="Europe/Madrid")
    pilot.node("lamp-01", "plaza", age=timedelta(days=3650))
    for day in range(40):
        pilot.record("lamp-01", Stream.LIGHT, DAY + timedelta(days=day, hours=12))
    days: list[str] = []
    since: str | None = "2026-03-01T00:00:00Z"
    while since is not None:
        body = ask(
            client,
            "light",
            node="lamp-01",
            grain="1d",
            limit=7,
            **{"from": since, "to": "2026-05-01T00:00:00Z"},
        )
        days += [r["day"] for r in body["rows"]]
        since = body["next"]
    assert days == [(DAY.date() + timedelta(days=n)).isoformat() for n in range(40)]


def test_an_hour_under_exclusion_says_so(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, DAY)
    pilot.conn.execute(
        "INSERT INTO exclusion (node_id, from_t, to_t, reason) VALUES ('lamp-01', %s, %s, 'fair')",
        [DAY, DAY + timedelta(hours=1)],
    )
    (row,) = ask(client, "light", node="lamp-01", grain="1h")["rows"]
    assert row["excluded"] is True


def test_footfall_has_a_row_a_line_and_one_of_the_scene(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    pilot.record(
        "lamp-01",
        Stream.FOOTFALL,
        DAY,
        lines={"north": (4, 0), "south": (None, None)},
        flags=(Flag.SIMULATED,),
    )
    rows = ask(client, "footfall", node="lamp-01")["rows"]
    assert [(r["line"], r["values"]) for r in rows] == [
        (None, {"occupancy": 1.5, "fps": 10, "scene_luma": 90}),
        ("north", {"a_to_b": 4, "b_to_a": 0}),
        ("south", {"a_to_b": None, "b_to_a": None}),
    ]
    assert rows[0]["flags"] == ["SIMULATED"]
    (north, south) = ask(client, "footfall", node="lamp-01", grain="1h")["rows"]
    assert (north["values"]["b_to_a"], south["values"]["b_to_a"]) == (0, None)


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({}, "node", "neither given; give exactly one"),
        ({"node": "a", "site": "b"}, "node", "both given; give exactly one"),
        ({"node": "lamp-01", "from": "2026-03-01T00:00:00"}, "from", "timezone"),
        ({"node": "lamp-01", "from": "yesterday"}, "from", "got 'yesterday'"),
        (
            {"node": "lamp-01", "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
            "from",
            "swap them?",
        ),
        ({"node": "lamp-01", "to": "9999-12-31T23:59:59-12:00"}, "to", "between 2000 and 2100"),
        ({"node": "lamp-01", "from": "0001-01-01T00:00:00+14:00"}, "from", "2000 and 2100"),
        ({"node": "lamp-01", "grain": "1w"}, "grain", "'raw', '1h' or '1d'"),
        ({"node": "lamp-01", "limit": "0"}, "limit", "greater than or equal to 1"),
        ({"node": "lamp-01", "limit": "1e9"}, "limit", "valid integer"),
        ({"node": "x" * 500}, "node", "at most 48 characters"),
    ],
)
def test_a_bad_question_is_400_and_names_the_parameter(
    lasting_client: httpx.Client, query: dict[str, str], field: str, message: str
) -> None:
    answer = lasting_client.get("/api/v1/series/light", params=query)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "invalid_request", field)
    assert message in error["message"]


@pytest.mark.parametrize("name", ["node", "site"])
@pytest.mark.parametrize(
    "value", ["'; DROP TABLE node; --", "%s", "\x00", "../../etc/passwd", "Ω≠", "\ud83d"]
)
def test_hostile_names_are_answered_with_4xx(
    lasting_client: httpx.Client, name: str, value: str
) -> None:
    params = {name: value.encode("utf-8", "surrogatepass")}
    answer = lasting_client.get("/api/v1/series/light", params=params)
    assert answer.status_code in (400, 404)
    assert set(answer.json()) == {"error"}
    assert lasting_client.get("/api/v1/nodes").json()["nodes"] == []


def test_an_unknown_stream_lists_what_there_is(lasting_client: httpx.Client) -> None:
    answer = lasting_client.get("/api/v1/series/smell", params={"node": "a"})
    assert answer.status_code == 400
    assert "'light', 'noise', 'footfall' or 'health'" in answer.json()["error"]["message"]
