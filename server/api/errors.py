"""One shape for every error: `{"error": {"code", "message", "field"?}}`.

Messages say which thing, what was seen and what to try; nothing of the inside leaks out.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import psycopg_pool
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

# What a caller sent may be quoted back, but not a megabyte of it.
MAX_QUOTED_CHARS = 80

MAX_BODY_BYTES = 64 * 1024
TOO_LARGE = f"the body is over {MAX_BODY_BYTES // 1024} KiB; send less"

DATABASE_ERRORS = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.PoolClosed,
)


class ErrorBody(BaseModel):
    """What went wrong, for a program and for a person."""

    code: str = Field(description="a word that a program may switch on", examples=["not_found"])
    message: str = Field(description="which thing, what was seen, what to try")
    field: str | None = Field(default=None, description="the parameter or field at fault")


class ErrorAnswer(BaseModel):
    """Every answer that isn't a success looks like this."""

    error: ErrorBody


class ApiError(Exception):
    """An answer other than success, as the caller will see it."""

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


def not_found(what: str, identifier: str, *, try_this: str) -> ApiError:
    """404 for one thing of which a list exists."""
    return ApiError(404, "not_found", f"no {what} {quoted(identifier)}; {try_this}")


def bad_request(field: str, message: str) -> ApiError:
    """400 for one parameter."""
    return ApiError(400, "invalid_request", message, field=field)


def quoted(value: object) -> str:
    """`value` as it may stand in a message: printable and short."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED_CHARS else text[: MAX_QUOTED_CHARS - 1] + "…"


ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorAnswer, "description": "Anything else, in the one error shape"},
    400: {"model": ErrorAnswer, "description": "A parameter or the body is not acceptable"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "There is no such thing"}
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorAnswer, "description": "It is there already, or it contradicts what is"}
}
WRITE_DENIED: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "No token, or a wrong one"},
    403: {"model": ErrorAnswer, "description": "Writing is off on this server"},
}


def answer(status: int, code: str, message: str, *, field: str | None = None) -> JSONResponse:
    """The error as a response."""
    body = ErrorAnswer(error=ErrorBody(code=code, message=message, field=field))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Give every way out of `app` the one shape."""
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        ApiError: _api_error,
        RequestValidationError: _validation_error,
        HTTPException: _http_exception,
        psycopg.DataError: _data_error,
    }
    handlers[psycopg.errors.QueryCanceled] = _too_slow
    for database_error in DATABASE_ERRORS:
        handlers[database_error] = _database_down
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


class LastResort:
    """Answers 500 for what nobody foresaw, and logs it.

    Stands inside of what counts answers and adds headers: Starlette's own handler stands outside of
    every middleware, so its answer would be without both.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            log.exception("%s %s", scope["method"], scope["path"])
            said = "something went wrong here; it is in the server's log"
            await answer(500, "internal", said)(scope, receive, send)


async def _api_error(request: Request, error: ApiError) -> Response:
    return answer(error.status, error.code, error.message, field=error.field)


async def _validation_error(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    # The location starts with where it came from: query, path, body, header.
    where = [str(part) for part in first["loc"]]
    field = ".".join(where[1:]) or where[0]
    seen = first.get("input")
    shown = "" if first["type"] in ("missing", "json_invalid") else f", got {quoted(seen)}"
    message = f"{field}: {_lower_first(str(first['msg']))}{shown}"
    return answer(400, "invalid_request", message, field=field)


async def _http_exception(request: Request, error: HTTPException) -> Response:
    words = {
        404: (
            "not_found",
            f"no page {quoted(request.url.path)}; /openapi.json lists what there is",
        ),
        405: ("method_not_allowed", f"{request.method} is not possible here"),
        413: ("too_large", TOO_LARGE),
        400: ("invalid_request", "the body is not legible as JSON"),
    }
    code, message = words.get(error.status_code, ("refused", _lower_first(str(error.detail))))
    return answer(error.status_code, code, message)


async def _data_error(request: Request, error: psycopg.DataError) -> Response:
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return answer(400, "invalid_request", "a value is outside what the database can hold")


async def _database_down(request: Request, error: Exception) -> Response:
    log.warning("%s %s: database: %s", request.method, request.url.path, error)
    return answer(
        503, "database_unavailable", "the database can't be reached; try again in a minute"
    )


async def _too_slow(request: Request, error: Exception) -> Response:
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return answer(503, "too_slow", "the database takes too long for this; ask for less at a time")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
