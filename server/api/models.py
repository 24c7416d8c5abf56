"""What the API answers with: typed, units beside numbers, UTC times, null for what is not known."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from contract.flags import Flag
from contract.streams import Stream
from server.api.stream_state import Condition, Link

Utc = Annotated[datetime, Field(description="UTC, ISO 8601", examples=["2026-03-01T18:00:00Z"])]


class StreamFreshness(BaseModel):
    """One stream of one node: what has arrived, what is missing, what it is doing, and why."""

    stream: Stream
    condition: Condition
    detail: str | None = Field(default=None, description="the node's own words on a sensor fault")
    since: Utc | None = Field(
        default=None, description="end of the newest window, or when the trouble began"
    )
    expected_at: Utc | None = Field(
        default=None,
        description="when the next window closes; of the usual length, until a whole one has shown"
        " how long they are",
    )
    due_by: Utc | None = Field(
        default=None, description="while waiting: when the longest window that it can be closes"
    )
    last_t: Utc | None = Field(
        default=None, description="start of the newest window within the last 7 days"
    )
    last_received_at: Utc | None = Field(default=None, description="last batch, repeats included")
    last_new_at: Utc | None = Field(default=None, description="last batch that brought a record")
    spool: str | None = Field(default=None, description="the spool last heard of")
    complete_to: int | None = Field(
        default=None, description="highest seq of that spool up to which nothing is missing"
    )
    stored_n: int = Field(description="records stored, all spools")
    missing_n: int = Field(description="records below the highest known seq that never came")
    held_n: int = Field(description="records received whose time is not to be believed yet")
    held_reason: str | None = Field(default=None, description="why the newest of them is held")
    rejected_n: int = Field(description="records that could not be decoded, kept as dead letters")
    lost_n: int = Field(description="records that the node itself declared lost")
    coverage_today: float | None = Field(
        default=None,
        description="seconds measured / seconds due since midnight at the site, or since the node's"
        " first sign of life, up to a minute ago; 0 to 1; null: nothing due, or not known now",
    )


class NodeSummary(BaseModel):
    """A node: where it stands, whether it is heard of, and its streams."""

    node: str
    lab: str
    site: str | None = Field(default=None, description="null while it stands nowhere")
    site_name: str | None = None
    time_zone: str | None = Field(default=None, description="of the site, IANA name")
    state: str = Field(examples=["commissioned"])
    simulated: bool = Field(description="its numbers are made, not measured")
    status: Link
    heard_at: Utc | None = Field(default=None, description="last sign of life")
    created_at: Utc
    streams: list[StreamFreshness]


class NodeList(BaseModel):
    """All nodes, by site."""

    at: Utc
    nodes: list[NodeSummary]


class Value(BaseModel):
    """One quantity; null when it was not measured, never 0 in its place."""

    name: str
    unit: str = Field(description="UCUM-like: lx, dB, 1, s")
    meaning: str
    value: float | None = Field(description="corrected by the calibration that holds, if any")
    raw: float | None = Field(description="as the node sent it")


class LineValue(BaseModel):
    """Crossings of one line in one window; null when the node was blind."""

    line: str
    unit: str = Field(default="1", description="UCUM-like, of all four: 1, crossings counted")
    a_to_b: float | None = Field(description="corrected by the calibration that holds, if any")
    b_to_a: float | None = Field(description="corrected by the calibration that holds, if any")
    raw_a_to_b: int | None = Field(description="as the node sent it")
    raw_b_to_a: int | None = Field(description="as the node sent it")


class LatestStream(BaseModel):
    """The newest accepted record of one stream."""

    stream: Stream
    condition: Condition
    detail: str | None = None
    t: Utc | None = Field(default=None, description="start of the window; null: no record yet")
    dur_s: float | None = None
    valid_s: float | None = Field(default=None, description="seconds really measured")
    received_at: Utc | None = None
    flags: list[Flag] = Field(default=[], description="what was wrong with this record")
    calibrated: bool | None = Field(
        default=None, description="whether a calibration holds; null where none applies"
    )
    calibration_ids: list[int] = []
    values: list[Value] = []
    lines: list[LineValue] = []


class Latest(BaseModel):
    """The newest accepted record of every stream of a node."""

    at: Utc
    node: str
    simulated: bool
    streams: list[LatestStream]
