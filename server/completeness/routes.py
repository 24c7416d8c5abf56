"""`/api/v1/nodes/{node_id}/gaps`: how far a node's streams are whole, what is missing, and why."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from contract.streams import Stream
from server.api.database import Database
from server.api.errors import ERRORS, NOT_FOUND, not_found
from server.api.models import Utc
from server.completeness import gaps, lines

router = APIRouter(prefix="/api/v1", tags=["measurements"], responses=ERRORS)

MAX_GAPS = 1000


class LineOfSeq(BaseModel):
    """One stream of one spool; `seq` counts from 1."""

    stream: Stream
    spool: str
    complete_to: int = Field(description="highest seq up to which nothing is missing")
    highest: int = Field(description="highest seq that anything is known of")
    stored_n: int
    held_n: int = Field(description="received, with a time that is not to be believed yet")
    rejected_n: int = Field(description="received, in the dead letter")
    lost_n: int = Field(description="declared by the node as gone for good")
    awaited_n: int = Field(description="missing; the node still holds them")
    last_at: Utc = Field(description="last batch, repeats included")
    last_new_at: Utc | None = Field(description="last batch that brought a record")


class Missing(BaseModel):
    """A gap in `seq` (records that were made), or in time alone (none was made)."""

    stream: Stream | None = Field(description="null: every stream")
    spool: str | None
    first_seq: int | None = Field(description="null where no record was ever made")
    last_seq: int | None
    records_n: int | None
    from_t: Utc | None = Field(description="end of the record before it; null: not known")
    to_t: Utc | None = Field(description="start of the record after it; null: not known")
    cause: str = Field(description="a word", examples=list(gaps.CAUSES))
    meaning: str = Field(description="the cause in plain words")
    detail: str | None = Field(description="what the node said")


class Completeness(BaseModel):
    """What has come in from one node and what hasn't."""

    node: str
    lines: list[LineOfSeq]
    gaps: list[Missing]
    gaps_n: int = Field(description="how many there are; more than listed: raise `limit`")


@router.get(
    "/nodes/{node_id}/gaps",
    summary="What is missing from a node, and why",
    responses=NOT_FOUND,
)
def gaps_of_node(
    conn: Database,
    node_id: Annotated[str, Path(max_length=32, description="id of a node")],
    days: Annotated[int, Query(ge=1, le=4000, description="restarts of the last days")] = 30,
    limit: Annotated[int, Query(ge=1, le=MAX_GAPS, description="gaps of a kind")] = 200,
) -> Completeness:
    """Gaps in `seq` whatever their age; a restart is a gap in time in which nothing was made."""
    if conn.execute("SELECT FROM node WHERE node_id = %s", [node_id]).fetchone() is None:
        raise not_found("node", node_id, try_this="/api/v1/nodes lists them")
    since = datetime.now(UTC) - timedelta(days=days)
    found, total_n = gaps.read_gaps(conn, node_id=node_id, since=since, limit=limit)
    return Completeness(
        node=node_id,
        lines=[LineOfSeq(**asdict(line)) for line in lines.read_lines(conn, node_id)],
        gaps=[
            Missing(**asdict(gap), records_n=gap.records_n, meaning=gaps.CAUSES[gap.cause])
            for gap in found
        ],
        gaps_n=total_n,
    )
