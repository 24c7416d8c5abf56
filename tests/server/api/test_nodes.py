"""`/api/v1/nodes` and `/latest`: freshness, reasons, calibration, and null that is never 0."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contract.flags import Flag
from contract.streams import Stream
from server.api.coverage import ON_THE_WAY
from tests.server.api.pilot import Pilot, minute

pytestmark = pytest.mark.db


def stream_of(node: dict[str, Any], stream: str) -> dict[str, Any]:
    return next(one for one in node["streams"] if one["stream"] == stream)


def test_no_node_is_an_empty_list(client: httpx.Client) -> None:
    answer = client.get("/api/v1/nodes")
    assert (answer.status_code, answer.json()["nodes"]) == (200, [])


def test_a_node_says_site_state_and_that_it_is_simulated(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.site("plaza", "Plaza Mayor")
    pilot.node("plaza-01", "plaza", state="installed", simulated=True)
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    assert (node["site"], node["site_name"], node["time_zone"]) == (
        "plaza",
        "Plaza Mayor",
        "Europe/Madrid",
    )
    assert (node["state"], node["simulated"], node["status"]) == ("installed", True, "never")


def test_freshness_counts_missing_held_lost_and_rejected(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC)))
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 2, 9)
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 21, 30)
    pilot.ledger("lamp-01", Stream.LIGHT, "lost", 10, 11)
    pilot.ledger("lamp-01", Stream.LIGHT, "rejected", 31, 31)
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    light = stream_of(node, "light")
    assert (light["stored_n"], light["missing_n"], light["lost_n"], light["rejected_n"]) == (
        19,
        9,
        2,
        1,
    )
    assert (light["complete_to"], light["condition"]) == (11, "ok")


def test_complete_to_is_that_of_the_spool_last_heard_of(client: httpx.Client, pilot: Pilot) -> None:
    now = datetime.now(UTC)
    pilot.node("lamp-01")
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 1, 500, at=now - timedelta(days=2))
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 1, 7, spool="newcard2", at=now)
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    light = stream_of(node, "light")
    assert (light["spool"], light["complete_to"], light["stored_n"]) == ("newcard2", 7, 507)


def test_a_node_that_claims_2_to_63_records_does_not_break_the_list(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.node("liar-01")
    for spool in ("aaaaaaaa", "bbbbbbbb"):
        pilot.ledger("liar-01", Stream.LIGHT, "stored", 2**63 - 2, 2**63 - 2, spool=spool)
    answer = client.get("/api/v1/nodes")
    assert answer.status_code == 200
    assert stream_of(answer.json()["nodes"][0], "light")["missing_n"] == 9 * 10**18


def test_latest_gives_values_with_units_and_their_calibration(
    client: httpx.Client, pilot: Pilot
) -> None:
    t = minute(datetime.now(UTC))
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, t, lux_p50=10, flags=(Flag.NEAR_FLOOR,))
    pilot.record("lamp-01", Stream.NOISE, t, laeq=50)
    pilot.calibrate("lamp-01", "light", t - timedelta(days=1), gain=2, offset=0.5)
    pilot.calibrate("lamp-01", "noise", t + timedelta(seconds=1), offset=-3)
    body = client.get("/api/v1/nodes/lamp-01/latest").json()
    light, noise = stream_of(body, "light"), stream_of(body, "noise")
    assert light["t"] == t.isoformat().replace("+00:00", "Z")
    assert (light["valid_s"], light["flags"], light["calibrated"]) == (60, ["NEAR_FLOOR"], True)
    assert light["values"][0] == {
        "name": "lux_p50",
        "unit": "lx",
        "meaning": "median illuminance of the window",
        "value": 20.5,
        "raw": 10,
    }
    # Calibrated only after this window: what was measured before it keeps its own value.
    assert (noise["calibrated"], noise["values"][0]["value"]) == (False, 50)


def test_a_revoked_calibration_is_not_applied(client: httpx.Client, pilot: Pilot) -> None:
    t = minute(datetime.now(UTC))
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, t, lux_p50=10)
    pilot.calibrate("lamp-01", "light", t - timedelta(days=1), gain=2, revoked_at=t)
    body = client.get("/api/v1/nodes/lamp-01/latest").json()
    assert stream_of(body, "light")["values"][0]["value"] == 10


def test_a_blind_window_has_nulls_and_says_blind(client: httpx.Client, pilot: Pilot) -> None:
    now = datetime.now(UTC)
    t = minute(now, 900)
    pilot.node("lamp-01")
    # The window may have closed a quarter of an hour ago; that the node is there, its health says.
    pilot.record("lamp-01", Stream.HEALTH, minute(now))
    pilot.record(
        "lamp-01",
        Stream.FOOTFALL,
        t,
        valid_s=0,
        flags=(Flag.DARK,),
        lines={"north": (None, None)},
    )
    footfall = stream_of(client.get("/api/v1/nodes/lamp-01/latest").json(), "footfall")
    assert (footfall["condition"], footfall["valid_s"]) == ("blind", 0)
    assert footfall["lines"] == [
        {
            "line": "north", "unit": "1", "a_to_b": None, "b_to_a": None, "raw_a_to_b": None,
            "raw_b_to_a": None,
        }
    ]  # fmt: skip
    assert footfall["values"][0]["value"] is None


def test_a_real_zero_stays_a_zero(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    t = minute(datetime.now(UTC), 900)
    pilot.record("lamp-01", Stream.FOOTFALL, t, lines={"north": (0, 3)}, occupancy=0)
    footfall = stream_of(client.get("/api/v1/nodes/lamp-01/latest").json(), "footfall")
    assert (footfall["lines"][0]["a_to_b"], footfall["values"][0]["value"]) == (0, 0)


def test_held_records_are_not_the_latest(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    pilot.hold("lamp-01", "ahead", datetime(2030, 1, 1, tzinfo=UTC))
    body = client.get("/api/v1/nodes/lamp-01/latest").json()
    assert stream_of(body, "light")["t"] is None
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    light = stream_of(node, "light")
    assert (light["condition"], light["held_n"], light["held_reason"]) == ("held", 1, "ahead")


def test_coverage_of_today_is_what_was_measured_of_what_was_due(
    client: httpx.Client, pilot: Pilot
) -> None:
    now = datetime.now(UTC)
    # A zone where it is noon, so that no midnight comes between.
    pilot.site("plaza", tz=f"Etc/GMT{now.hour - 12:+d}" if now.hour != 12 else "UTC")
    pilot.node("lamp-01", "plaza")
    newest = minute(now)
    for n in reversed(range(60)):
        t = newest - timedelta(minutes=n)
        pilot.record("lamp-01", Stream.LIGHT, t, valid_s=30, received_at=t + timedelta(minutes=1))
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    assert stream_of(node, "light")["coverage_today"] == pytest.approx(0.5, abs=0.03)
    assert stream_of(node, "noise")["coverage_today"] == 0


def test_hours_that_came_late_do_not_hide_the_silence_after_them(
    client: httpx.Client, pilot: Pilot
) -> None:
    now = datetime.now(UTC)
    pilot.site("plaza", tz=f"Etc/GMT{now.hour - 12:+d}" if now.hour != 12 else "UTC")
    pilot.node("lamp-01", "plaza")
    # Made from four to three hours ago, first heard of two hours ago, silent since.
    for n in range(60):
        pilot.record(
            "lamp-01", Stream.LIGHT, minute(now - timedelta(hours=4)) + timedelta(minutes=n),
            received_at=now - timedelta(hours=2),
        )  # fmt: skip
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    assert stream_of(node, "light")["coverage_today"] == pytest.approx(0.25, abs=0.02)


def test_a_window_of_an_hour_is_not_due_before_it_closes(
    client: httpx.Client, pilot: Pilot
) -> None:
    now = datetime.now(UTC)
    pilot.site("plaza", tz=f"Etc/GMT{now.hour - 12:+d}" if now.hour != 12 else "UTC")
    pilot.node("lamp-01", "plaza")
    newest = minute(now - ON_THE_WAY, 3600)
    for hours in (1, 0):
        t = newest - timedelta(hours=hours)
        pilot.record("lamp-01", Stream.LIGHT, t, dur_s=3600)
    pilot.record("lamp-01", Stream.HEALTH, minute(now))
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    assert stream_of(node, "light")["coverage_today"] == 1


def test_nothing_is_due_of_a_retired_node(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01", state="retired")
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC) - timedelta(minutes=20)))
    (node,) = client.get("/api/v1/nodes").json()["nodes"]
    assert stream_of(node, "light")["coverage_today"] is None


def test_an_unknown_node_is_404_in_the_one_error_shape(client: httpx.Client) -> None:
    answer = client.get("/api/v1/nodes/nobody/latest")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "code": "not_found",
            "message": "no node 'nobody'; /api/v1/nodes lists them",
        }
    }
