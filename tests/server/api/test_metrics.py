"""Metrics: on a port of their own, by route and never by path, and absent from the API."""

import httpx
import pytest
from prometheus_client import generate_latest

from server.api.app import create_app
from server.api.metrics import Metrics
from tests.fixtures_stack import Database
from tests.server.api.served import running

pytestmark = pytest.mark.db


def test_answers_are_counted_by_route_and_not_by_what_strangers_type(database: Database) -> None:
    metrics = Metrics()
    with running(create_app(database.dsn_as("msl_api"), metrics=metrics)) as url:
        for path in ("/healthz", "/wp-admin.php", "/api/v1/nodes/a/latest"):
            httpx.get(f"{url}{path}")
        assert httpx.get(f"{url}/metrics").status_code == 404
    text = generate_latest(metrics.registry).decode()
    assert 'route="/healthz",status="200"' in text
    assert 'route="/api/v1/nodes/{node_id}/latest",status="404"' in text
    assert 'route="none",status="404"' in text
    assert "wp-admin" not in text


def test_what_nobody_foresaw_is_counted_and_has_the_shape_and_the_headers(
    database: Database,
) -> None:
    metrics = Metrics()
    app = create_app(database.dsn_as("msl_api"), metrics=metrics)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret of the inside")

    with running(app) as url:
        answer = httpx.get(f"{url}/broken")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    text = generate_latest(metrics.registry).decode()
    assert 'route="/broken",status="500"' in text
