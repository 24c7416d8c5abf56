"""Lamps, episodes and the duty list as the API answers and takes them."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.api.models import Utc
from server.lamps.duty import Action

Status = Literal["open", "acknowledged", "over", "closed", "retracted"]
LampState = Literal["lit", "out", "day", "can't tell", "no data"]


class Lamp(BaseModel):
    """A node that watches a lamp: what it is registered as, and what it does now."""

    node: str
    site: str
    site_name: str
    time_zone: str
    simulated: bool = Field(description="its light is made, not measured")
    feeder: str | None = Field(description="null: one feeder for all such lamps of the site")
    lighting_class: str | None = Field(description="EN 13201 class of the place")
    latitude: float
    longitude: float
    state: LampState
    at: Utc | None = Field(description="newest record that says so")
    since: Utc | None = None
    recognised: bool = Field(
        description="false: it was not seen switching often enough yet, so nothing is said of it"
    )
    open_faults: list[str] = Field(description="kinds of its open episodes, TALQ's names")
    level: float | None = Field(description="of the newest lit night; 1 as commissioned")
    level_lx: float | None = Field(description="at the sensor, lx; no average of an area")


class LampList(BaseModel):
    """All lamps, by site and node."""

    lamps: list[Lamp]


class Reason(BaseModel):
    """Why an episode has its place in the duty list."""

    points: float
    why: str


class Deed(BaseModel):
    """What somebody did about an episode."""

    at: Utc
    actor: str
    action: Action
    assignee: str | None
    note: str | None


class Episode(BaseModel):
    """One fault of one lamp, told from its light alone, and what became of it."""

    episode: int = Field(description="stays the same, however often the light is looked at anew")
    node: str
    site: str
    kind: str = Field(description="TALQ's name where it has one", examples=["lampFailure"])
    source: Literal["optical-inferred"]
    status: Status
    from_t: Utc = Field(alias="from")
    to_t: Utc | None = Field(alias="to", description="null: the light says that it lasts")
    raised: Utc = Field(description="when the light first sufficed to say so")
    confidence: float = Field(description="0 to 1, a judgement by kind of evidence")
    evidence: dict[str, Any] = Field(description="what the detector went by")
    closed_by: str | None = Field(description="what in the light ended it")
    lamps: list[str] = Field(description="all that went dark with it")
    why: list[str] = Field(description="the same in plain words")
    acknowledged_by: str | None
    assignee: str | None
    model_config = ConfigDict(populate_by_name=True)


class EpisodeWithTrail(Episode):
    """And everything that people did about it, the oldest first."""

    trail: list[Deed]


class EpisodeList(BaseModel):
    """Episodes, the newest first."""

    episodes: list[Episode]


class Duty(BaseModel):
    """An open episode in its place."""

    episode: Episode
    points: float
    reasons: list[Reason]
    days_open: float
    late: bool = Field(description="open for longer than the city's limit")
    next_step: str


class DutyList(BaseModel):
    """What is to be done, first things first."""

    at: Utc
    duties: list[Duty]


class NewAction(BaseModel):
    """What somebody does about an episode; `close` and `note` need a note, `assign` somebody."""

    model_config = ConfigDict(extra="forbid")
    action: Action
    assignee: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    note: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    actor: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="who does it, for the trail; the token's name unless given"
    )


class Indicator(BaseModel):
    """A number with its unit and coverage; null with the reason why it can't be given."""

    name: str
    unit: str
    value: float | None
    coverage: float | None = Field(description="measured share of the dark hours, 0 to 1")
    note: str


class IndicatorList(BaseModel):
    """Of the nights that begin on the dates `first` to `last`."""

    first: date
    last: date
    indicators: list[Indicator]


class Rules(BaseModel):
    """Points that order the duty list of a lab."""

    model_config = ConfigDict(extra="forbid")
    points_by_kind: dict[str, float]
    points_by_class: dict[str, float]
    adjacent_from: int = Field(description="so many dark lamps of a feeder add adjacent_points")
    adjacent_points: float
    points_per_day: float
    days_counted: float
    repair_within_days: float
