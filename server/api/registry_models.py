"""The registry's rows as the API takes and gives them; fields are those of `server.registry`.

`New…` is what can be entered, `…Change` what can be altered later, the plain name what is there.
"""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator as After
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from server.api.models import Utc
from server.registry.change import check_zone
from server.registry.errors import RegistryError

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{2,32}$")]
NodeSlug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{3,32}$")]
InterventionSlug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{2,48}$")]
# PostgreSQL's text holds no NUL.
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Latitude = Annotated[float, Field(ge=-90, le=90, description="degrees, WGS 84")]
Longitude = Annotated[float, Field(ge=-180, le=180, description="degrees, WGS 84")]
State = Literal["created", "enrolled", "installed", "commissioned", "maintenance", "retired"]
Stream = Literal["light", "noise", "footfall"]
Arm = Literal["treated", "control", "buffer"]


def _known_zone(name: str) -> str:
    try:
        check_zone(name)
    except RegistryError as error:
        raise ValueError(str(error)) from None
    return name


Zone = Annotated[str, After(_known_zone), Field(max_length=64, examples=["Europe/Madrid"])]


class _In(BaseModel):
    """A body: unknown fields are refused, since a misspelt one would be lost without a word."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Span(_In):
    @model_validator(mode="after")
    def _in_order(self) -> Self:
        from_t, to_t = getattr(self, "from_t", None), getattr(self, "to_t", None)
        if from_t is not None and to_t is not None and to_t <= from_t:
            raise ValueError(f"to_t {to_t.isoformat()} is not after from_t {from_t.isoformat()}")
        return self


class LabChange(_In):
    """Changes of a lab."""

    name: Text | None = None
    contact: Text | None = None


class NewLab(_In):
    """Who runs a pilot."""

    lab_id: Slug
    name: Text
    contact: Text | None = None


class Lab(BaseModel):
    """A lab as it is registered."""

    lab_id: str
    name: str
    contact: str | None
    created_at: Utc


class SiteChange(_In):
    """Changes of a site; another zone recomputes its local days."""

    name: Text | None = None
    tz: Zone | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    lighting_class: Text | None = None
    cordon: bool | None = None


class NewSite(_In):
    """A place that is measured."""

    site_id: Slug
    lab_id: Slug
    name: Text
    tz: Zone
    latitude: Latitude
    longitude: Longitude
    lighting_class: Text | None = None
    cordon: bool = Field(default=False, description="its lines close it off and may be summed")


class Site(BaseModel):
    """A site as it is registered."""

    site_id: str
    lab_id: str
    name: str
    tz: str
    latitude: float
    longitude: float
    lighting_class: str | None
    cordon: bool
    created_at: Utc


class NodeChange(_In):
    """Changes of a node."""

    state: State | None = None
    simulated: bool | None = None
    note: Text | None = None
    created_at: AwareDatetime | None = None


class NewNode(_In):
    """A node; records from before `created_at` are held."""

    node_id: NodeSlug
    lab_id: Slug
    state: State = "created"
    simulated: bool = False
    note: Text | None = None
    created_at: AwareDatetime | None = Field(default=None, description="now, unless given")


class Node(BaseModel):
    """A node as it is registered."""

    node_id: str
    lab_id: str
    state: State
    simulated: bool
    note: str | None
    created_at: Utc


class NewDeployment(_Span):
    """A node's stay at a site; without `to_t` it is still there."""

    node_id: NodeSlug
    site_id: Slug
    from_t: AwareDatetime
    to_t: AwareDatetime | None = None
    mount: Text | None = None
    height_m: float | None = Field(default=None, ge=0, le=50)
    azimuth_deg: float | None = Field(default=None, ge=0, lt=360, description="from north")
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class Deployment(BaseModel):
    """A stay as it is registered."""

    deployment_id: int
    node_id: str
    site_id: str
    from_t: Utc
    to_t: Utc | None
    mount: str | None
    height_m: float | None
    azimuth_deg: float | None
    latitude: float | None
    longitude: float | None


class End(_In):
    """When a stay ended."""

    at: AwareDatetime


class NewCalibration(_In):
    """Light: gain x lx + offset. Noise: dB + offset. Footfall: gain x count of `line` or of all."""

    node_id: NodeSlug
    quantity: Stream
    from_t: AwareDatetime = Field(description="holds from here until the next one")
    reference: Text = Field(description="what it was measured against")
    line: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,24}$")] | None = None
    gain: float = Field(default=1.0, gt=0)
    offset: float = 0.0
    uncertainty: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _fits_its_quantity(self) -> Self:
        if self.quantity == "noise" and self.gain != 1:
            raise ValueError(f"gain is {self.gain}; a level is corrected by offset (dB) alone")
        if self.quantity == "footfall" and self.offset != 0:
            raise ValueError(f"offset is {self.offset}; a count is corrected by gain alone")
        if self.line is not None and self.quantity != "footfall":
            raise ValueError(f"line is given; {self.quantity} has no lines")
        return self


class Calibration(BaseModel):
    """A dated correction as it is registered; revoked ones apply to nothing."""

    calibration_id: int
    node_id: str
    quantity: Stream
    line: str | None
    from_t: Utc
    gain: float
    offset: float
    uncertainty: float | None
    reference: str
    revoked_at: Utc | None
    created_at: Utc


class NewExclusion(_Span):
    """Records that don't count, of a node or of all at a site."""

    from_t: AwareDatetime
    to_t: AwareDatetime
    reason: Text
    node_id: NodeSlug | None = None
    site_id: Slug | None = None
    stream: Stream | None = Field(default=None, description="null: all streams")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.node_id is None) == (self.site_id is None):
            raise ValueError("name either node_id or site_id, not both and not neither")
        return self


class Exclusion(BaseModel):
    """An exclusion as it is registered; revoked ones exclude nothing."""

    exclusion_id: int
    node_id: str | None
    site_id: str | None
    stream: Stream | None
    from_t: Utc
    to_t: Utc
    reason: str
    revoked_at: Utc | None
    created_at: Utc


class InterventionChange(_Span):
    """Changes of an intervention; `arms` replaces them all."""

    title: Text | None = None
    kind: Text | None = None
    planned_on: date | None = None
    from_t: AwareDatetime | None = None
    to_t: AwareDatetime | None = None
    note: Text | None = None
    arms: dict[Arm, list[Slug]] | None = None


class NewIntervention(_Span):
    """What is done, when, to which sites, and which others are compared."""

    intervention_id: InterventionSlug
    lab_id: Slug
    title: Text
    kind: Text = Field(examples=["relighting"])
    planned_on: date | None = None
    from_t: AwareDatetime | None = Field(default=None, description="installation began")
    to_t: AwareDatetime | None = Field(default=None, description="and was done")
    note: Text | None = None
    arms: dict[Arm, list[Slug]] = {}


class Intervention(BaseModel):
    """An intervention as it is registered."""

    intervention_id: str
    lab_id: str
    title: str
    kind: str
    planned_on: date | None
    from_t: Utc | None
    to_t: Utc | None
    note: str | None
    created_at: datetime
    arms: dict[Arm, list[str]]
