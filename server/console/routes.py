"""`/`: every node at a glance; `/live`: what changes on it."""

import logging
from datetime import UTC
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from server.api.errors import DATABASE_ERRORS, ERRORS
from server.api.models import Utc
from server.console.board import Board, changes_since

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
# A token is 8 + 1 + a few digits; what is longer is not one of ours.
MAX_TOKEN_CHARS = 32

router = APIRouter(tags=["console"])


class BoardChanges(BaseModel):
    """What a page lacks: everything (`reload`), or these pieces."""

    at: Utc = Field(description="when the database was asked")
    token: str = Field(description="send this the next time")
    reload: bool
    pieces: dict[str, str] = Field(description="HTML by the id of the element it replaces")


def templates() -> Environment:
    """The pages; everything is escaped, and a name that isn't given is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["utc"] = lambda time: f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    environment.filters["utc_clock"] = lambda time: f"{time.astimezone(UTC):%H:%M:%S} UTC"
    return environment


def static_files() -> StaticFiles:
    """Style and script, from here and nowhere else."""
    return StaticFiles(directory=HERE / "static")


@router.get("/", include_in_schema=False)
def page(request: Request) -> Response:
    """Every node, by site; or, with 503, that the database is away."""
    board: Board = request.app.state.board
    try:
        state = board.current()
    except DATABASE_ERRORS as error:
        log.warning("console: database: %s", error)
        html = _TEMPLATES.get_template("unavailable.html").render()
        return HTMLResponse(html, 503, headers={"Retry-After": "15"})
    return HTMLResponse(_TEMPLATES.get_template("board.html").render(board=state))


@router.get(
    "/live",
    summary="Changes of the console page as server-sent events",
    responses={
        **ERRORS,
        200: {
            "description": "Events `pieces` (JSON: at, pieces), `reload`, `down` (since, why)",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
    response_class=StreamingResponse,
)
async def live(
    request: Request,
    token: Annotated[str, Query(max_length=MAX_TOKEN_CHARS, description="of the page")] = "",
    last_event_id: Annotated[
        str | None, Header(max_length=MAX_TOKEN_CHARS, description="sent by a browser that returns")
    ] = None,
) -> StreamingResponse:
    """Sends what is newer than `token` at once, then every change within a second or two."""
    messages = request.app.state.live.messages(last_event_id or token)
    # Proxies must not gather events; nginx listens to this header.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages, media_type="text/event-stream", headers=headers)


@router.get(
    "/live/changes",
    summary="The same changes once, for pages whose event stream is blocked on the way",
    responses=ERRORS,
)
def changes(
    request: Request,
    token: Annotated[str, Query(max_length=MAX_TOKEN_CHARS, description="of the page")] = "",
) -> BoardChanges:
    """What is newer than `token`."""
    state = request.app.state.board.current()
    found = changes_since(state, token)
    return BoardChanges(at=state.at, token=found.token, reload=found.reload, pieces=found.pieces)


_TEMPLATES = templates()
