"""From a request's body to the registry's functions and back, with refusals in the one shape."""

from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel

from server.api.database import Connection
from server.api.errors import ApiError
from server.registry import read
from server.registry.change import add, changing, ensure, revoke, set_columns
from server.registry.entries import TABLE, Entry
from server.registry.errors import NotFound, RegistryError

Out = TypeVar("Out", bound=BaseModel)


def show(conn: Connection, table: str, key: str | int) -> dict[str, Any]:
    """One row; raises ApiError 404."""
    try:
        return read.shown(conn, table, key)
    except NotFound as error:
        raise ApiError(404, "not_found", str(error)) from None


def enter(conn: Connection, actor: str, kind: type[Entry], body: BaseModel) -> dict[str, Any]:
    """Add a row; raises ApiError 400 for what doesn't fit, 409 for what is in the way."""
    fields = {n: v for n, v in body.model_dump(exclude_unset=True).items() if v is not None}
    with _Refusals(), changing(conn, actor):
        return add(conn, _entry(kind, fields))


def alter(
    conn: Connection, actor: str, kind: type[Entry], key: str, body: BaseModel
) -> dict[str, Any]:
    """Change what `body` names of one row; raises ApiError 400, 404 or 409."""
    table, (key_name,) = TABLE[kind]
    known = {name: value for name, value in show(conn, table, key).items() if _is_of(kind, name)}
    changed = {**known, **body.model_dump(exclude_unset=True), key_name: key}
    with _Refusals(), changing(conn, actor):
        ensure(conn, _entry(kind, changed))
    return show(conn, table, key)


def alter_columns(
    conn: Connection, actor: str, table: str, key: int, **values: Any
) -> dict[str, Any]:
    """Set columns of one dated row; raises ApiError 404 or 409."""
    show(conn, table, key)
    with _Refusals(), changing(conn, actor):
        return set_columns(conn, table, str(key), **values)


def take_back(conn: Connection, actor: str, table: str, key: int) -> dict[str, Any]:
    """Revoke a calibration or an exclusion; raises ApiError 404 or 409."""
    show(conn, table, key)
    with _Refusals(), changing(conn, actor):
        return revoke(conn, table, key)


def as_model(kind: type[Out], row: dict[str, Any]) -> Out:
    """A row as the API gives it; columns that it doesn't give are left out."""
    return kind.model_validate(row)


def _is_of(kind: type[Entry], name: str) -> bool:
    return name in kind.__struct_fields__


def _entry(kind: type[Entry], fields: dict[str, Any]) -> Entry:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise ApiError(400, "invalid_request", str(error)) from None


class _Refusals:
    """Turns the registry's refusals into answers."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotFound):
            # The thing itself was found before; what isn't there is what the body refers to.
            raise ApiError(400, "unknown_reference", str(error)) from error
        if isinstance(error, RegistryError):
            raise ApiError(409, "conflict", str(error)) from error
