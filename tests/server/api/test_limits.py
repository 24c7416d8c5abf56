"""What strangers get: security headers, bounded bodies, one error shape, nothing of the inside."""

import re

import httpx
import pytest

from server.console.routes import HERE

pytestmark = pytest.mark.db


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/nothing", "/static/console.js", "/openapi.json"]
)
def test_every_answer_has_the_security_headers(lasting_client: httpx.Client, path: str) -> None:
    headers = lasting_client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_templates_hold_no_inline_script_style_or_foreign_asset() -> None:
    for path in HERE.glob("templates/*.html"):
        html = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", html), path.name
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", html), path.name
        assert not re.search(r"(src|href)=\"(https?:)?//", html), path.name


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/static/../app.py", 404, "not_found"),
        ("DELETE", "/api/v1/nodes", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
        ("GET", "/docs", 404, "not_found"),
    ],
)
def test_wrong_paths_and_methods_have_the_one_shape(
    lasting_client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = lasting_client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_body_over_the_bound_is_413_announced_or_not(lasting_writer: httpx.Client) -> None:
    big = b"x" * 100_000
    assert lasting_writer.post("/api/v1/registry/labs", content=big).status_code == 413
    # Pieces of unknown length: nothing is announced.
    chunked = lasting_writer.post(
        "/api/v1/registry/labs", content=iter([big[:50_000], big[50_000:]])
    )
    assert (chunked.status_code, chunked.json()["error"]["code"]) == (413, "too_large")
