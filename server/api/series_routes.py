"""Series: records, hours or local days of one node, or of the nodes of one site."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from contract.limits import MAX_T_MS, MIN_T_MS
from server.api.database import Database
from server.api.errors import ERRORS, NOT_FOUND, bad_request
from server.api.series import Question, load_series
from server.api.series_models import Grain, Series, SeriesStream

DEFAULT_SPAN = timedelta(hours=24)
EARLIEST = datetime.fromtimestamp(MIN_T_MS / 1000, UTC)
LATEST = datetime.fromtimestamp(MAX_T_MS / 1000, UTC)
DEFAULT_ROWS, MAX_ROWS = 1000, 10_000

router = APIRouter(prefix="/api/v1", tags=["measurements"], responses=ERRORS)

Identifier = Annotated[str | None, Query(max_length=48)]
Time = Annotated[AwareDatetime | None, Query(examples=["2026-03-01T18:00:00Z"])]


@router.get(
    "/series/{stream}",
    summary="A stream of a node or of a site, by record, hour or local day",
    responses=NOT_FOUND,
)
def series(
    conn: Database,
    stream: Annotated[SeriesStream, Path(description="what was measured")],
    node: Annotated[Identifier, Query(description="of this node; or give `site`")] = None,
    site: Annotated[Identifier, Query(description="of the nodes while they stood there")] = None,
    from_t: Annotated[
        Time, Query(alias="from", description="from this moment; default: 24 h before `to`")
    ] = None,
    to_t: Annotated[Time, Query(alias="to", description="before this moment; default: now")] = None,
    grain: Annotated[Grain, Query(description="one row a record, hour, or local day")] = Grain.RAW,
    limit: Annotated[
        int, Query(ge=1, le=MAX_ROWS, description="moments end whole, so a page may hold more")
    ] = DEFAULT_ROWS,
) -> Series:
    """Oldest first, in pages: give `next` as `from` until it is null.

    Raw rows are as sent. Hours and days are corrected by calibration, marked where an exclusion
    covers them, and speak for `valid_s` of their time only.
    """
    if (node is None) == (site is None):
        seen = "neither" if node is None else "both"
        raise bad_request("node", f"node or site: {seen} given; give exactly one")
    to_t = _within_reason("to", to_t or datetime.now(UTC))
    from_t = _within_reason("from", from_t or to_t - DEFAULT_SPAN)
    if from_t >= to_t:
        raise bad_request(
            "from", f"from {from_t.isoformat()} is not before to {to_t.isoformat()}; swap them?"
        )
    ask = Question(stream, grain, node, site, from_t, to_t, limit)
    return load_series(conn, ask)


def _within_reason(field: str, time: datetime) -> datetime:
    """In UTC; raises ApiError for times that no record can have."""
    if not EARLIEST <= time <= LATEST:
        raise bad_request(
            field, f"{field} is {time.isoformat()}; records lie between 2000 and 2100"
        )
    return time.astimezone(UTC)
