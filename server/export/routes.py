"""`/api/v1/export/{stream}`: rows as CSV, streamed from a cursor; as many as there are."""

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime
from starlette.responses import StreamingResponse

from contract.streams import Stream
from server.api.database import Lease
from server.api.errors import ApiError, ErrorAnswer, bad_request
from server.api.series_models import SeriesStream
from server.export.columns import Grain, columns
from server.export.queries import NothingToExport, Scope, find_scope, rows
from server.export.text import csv_chunks

# Each holds a connection for as long as its reader takes; the pages need theirs too.
AT_ONCE = 2
# For the first rows, which wait for the sort, and for each block after them.
TIMEOUT_S = 60.0
_slots = threading.BoundedSemaphore(AT_ONCE)

_ERRORS: dict[int | str, str] = {
    400: "A parameter is not acceptable",
    404: "There is no such node, site or lab",
    503: "Too many exports at once, or no database",
    "default": "Anything else, in the one error shape",
}


def _json_error(said: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
    return {"description": said, "content": {"application/json": {"schema": schema}}}


router = APIRouter(prefix="/api/v1", tags=["measurements"])

Identifier = Annotated[str | None, Query(max_length=48)]


class CsvResponse(StreamingResponse):
    """Says its type in the OpenAPI document."""

    media_type = "text/csv"


@router.get(
    "/export/{stream}",
    summary="A stream of a node, a site or a lab as CSV",
    response_class=CsvResponse,
    responses={
        200: {
            "description": "One header line, then a row an observation",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        # Errors are JSON here too; FastAPI would give them this answer's own type.
        **{status: _json_error(said) for status, said in _ERRORS.items()},
    },
)
def export(
    request: Request,
    stream: Annotated[SeriesStream, Path(description="what was measured")],
    from_t: Annotated[
        AwareDatetime,
        Query(alias="from", description="from this moment", examples=["2026-03-01T00:00:00Z"]),
    ],
    to_t: Annotated[
        AwareDatetime | None, Query(alias="to", description="before this moment; default: now")
    ] = None,
    node: Annotated[Identifier, Query(description="of this node")] = None,
    site: Annotated[Identifier, Query(description="of the nodes while they stood there")] = None,
    lab: Annotated[Identifier, Query(description="of all nodes of a lab")] = None,
    grain: Annotated[Grain, Query(description="one row a record, hour, or local day")] = Grain.RAW,
) -> CsvResponse:
    """The whole of it in one answer; a connection that breaks off is an incomplete file.

    Values are corrected by the calibration in the columns beside them; excluded and flagged
    records are in, marked. Empty means not measured.
    """
    if [node, site, lab].count(None) != 2:
        raise bad_request("node", "give exactly one of node, site and lab")
    end = to_t or datetime.now(UTC)
    if from_t >= end:
        raise bad_request("from", f"from {from_t.isoformat()} is not before to {end.isoformat()}")
    try:
        with request.app.state.lease() as conn:
            scope = find_scope(conn, lab=lab, site=site, node=node)
    except NothingToExport as error:
        raise ApiError(404, "not_found", str(error)) from None
    if not _slots.acquire(blocking=False):
        raise ApiError(
            503, "busy", f"{AT_ONCE} exports are running; try again when one of them is done"
        )
    text = _text(request.app.state.lease, Stream(stream.value), grain, scope, from_t, end)
    # The query runs now, while an error can still be answered as one.
    first = next(text)
    name = f"{stream.value}-{grain.value}-{scope.said.replace(' ', '-')}.csv"
    return CsvResponse(
        itertools.chain([first], text),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _text(
    lease: Lease, stream: Stream, grain: Grain, scope: Scope, from_t: datetime, to_t: datetime
) -> Iterator[str]:
    last = (to_t.astimezone(UTC) - timedelta(microseconds=1)).date()
    days = from_t.astimezone(UTC).date(), last + timedelta(days=1)
    try:
        with (
            lease() as conn,
            rows(conn, stream, grain, scope, from_t, to_t, days, timeout_s=TIMEOUT_S) as blocks,
        ):
            yield from csv_chunks(columns(stream, grain), blocks)
    finally:
        _slots.release()
