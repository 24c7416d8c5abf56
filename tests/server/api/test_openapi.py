"""The OpenAPI document: complete, typed, and with errors of one shape only."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from server.api.app import create_app

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    # Never started, so nothing is connected.
    return create_app("postgresql://nowhere.invalid/msl").openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def test_every_route_is_in_the_document_but_the_pages(document: dict[str, Any]) -> None:
    app = create_app("postgresql://nowhere.invalid/msl")
    paths = {route.path for route in app_routes(app.routes)}
    assert paths - set(document["paths"]) == {"/", "/duty", "/lamps", "/lamps/{node}"}
    assert len(document["paths"]) >= 5


def app_routes(routes: list[BaseRoute]) -> list[APIRoute]:
    found = [route for route in routes if isinstance(route, APIRoute)]
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            found += app_routes(inner.routes)
    return found


def test_every_operation_has_summary_description_and_tag(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for key in ("summary", "description", "tags", "operationId"):
            assert operation.get(key), f"{name} lacks {key}"


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_success_has_a_schema(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith("2") and status != "204":
                assert response["content"], f"{name} {status} has no content"
                for kind, content in response["content"].items():
                    assert content["schema"], f"{name} {status} has no schema for {kind}"


def test_every_error_has_the_one_shape_and_422_never_appears(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        responses = operation["responses"]
        assert "422" not in responses, name
        assert "default" in responses, name
        for status, response in responses.items():
            if status.startswith("2") or (name, status) == ("GET /healthz", "503"):
                continue
            schema = response["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, f"{name} {status}"
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_parameter_says_what_it_is(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            said = parameter.get("description") or parameter["schema"].get("description")
            assert said, f"{name}: {parameter['name']} has no description"


def test_every_route_that_changes_something_asks_for_the_token(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if not name.startswith("GET"):
            assert operation.get("security"), f"{name} takes changes from anybody"
            assert {"401", "403"} <= set(operation["responses"]), name
