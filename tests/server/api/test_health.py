"""`/healthz`: 200 while this process can serve, 503 when it can't, and why."""

from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from contract.streams import Stream
from provisioning.localstack import Postgres
from tests.fixtures_stack import Database
from tests.server.api.pilot import Pilot, minute
from tests.server.api.served import served

pytestmark = pytest.mark.db


def test_fresh_data_is_ok(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC)))
    answer = client.get("/healthz")
    body = answer.json()
    assert (answer.status_code, body["status"], body["ingest"]["state"]) == (200, "ok", "fresh")
    assert body["migrations"]["current"] is True


def test_stale_and_missing_data_are_degraded_but_served(client: httpx.Client, pilot: Pilot) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["ingest"]["state"]) == (200, "never")
    pilot.node("lamp-01")
    old = datetime.now(UTC) - timedelta(hours=1)
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 1, 1, at=old)
    body = client.get("/healthz").json()
    assert (body["status"], body["ingest"]["state"]) == ("degraded", "stale")
    assert body["ingest"]["age_s"] == pytest.approx(3600, abs=30)


def test_a_migration_that_is_not_applied_is_503(client: httpx.Client, database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        conn.execute("DELETE FROM migration WHERE number = (SELECT max(number) FROM migration)")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["migrations"]["current"] is False


def test_an_empty_database_is_503_and_no_crash(empty_database: Database) -> None:
    with served(empty_database.dsn) as client:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()["migrations"]["applied"]) == (503, 0)


def test_a_database_that_is_away_is_503_everywhere_and_comes_back(
    client: httpx.Client, postgres: Postgres
) -> None:
    assert client.get("/healthz").status_code == 200
    postgres.kill()
    try:
        health, api, page = client.get("/healthz"), client.get("/api/v1/nodes"), client.get("/")
    finally:
        postgres.start()
    assert (health.status_code, health.json()["database"]) == (503, {"reachable": False})
    assert (api.status_code, api.json()["error"]["code"]) == (503, "database_unavailable")
    assert page.status_code == 503
    assert "The database gives no answer" in page.text
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200
