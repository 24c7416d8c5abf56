"""What can be entered, field by field as the tables have it; UNSET leaves a column as it is."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

_LAB_OR_SITE = Annotated[str, Meta(pattern=r"^[a-z0-9-]{2,32}\Z")]
_NODE = Annotated[str, Meta(pattern=r"^(?!srv-)[a-z0-9-]{3,32}\Z")]
_INTERVENTION = Annotated[str, Meta(pattern=r"^[a-z0-9-]{2,48}\Z")]
_TEXT = Annotated[str, Meta(min_length=1, max_length=500)]
# A time without a zone is not a time: which hour would it be?
_TIME = Annotated[datetime, Meta(tz=True)]
_LATITUDE = Annotated[float, Meta(ge=-90, le=90)]
_LONGITUDE = Annotated[float, Meta(ge=-180, le=180)]

State = Literal["created", "enrolled", "installed", "commissioned", "maintenance", "retired"]
Stream = Literal["light", "noise", "footfall"]
Arm = Literal["treated", "control", "buffer"]


class Entry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One row of the registry."""


class Lab(Entry, kw_only=True, frozen=True):
    """Who runs a pilot."""

    lab_id: _LAB_OR_SITE
    name: _TEXT
    contact: _TEXT | UnsetType | None = UNSET


class Site(Entry, kw_only=True, frozen=True):
    """A place; `tz` is an IANA name such as Europe/Berlin."""

    site_id: _LAB_OR_SITE
    lab_id: _LAB_OR_SITE
    name: _TEXT
    tz: str
    latitude: _LATITUDE
    longitude: _LONGITUDE
    lighting_class: _TEXT | UnsetType | None = UNSET
    cordon: bool | UnsetType = UNSET


class Node(Entry, kw_only=True, frozen=True):
    """A node; records from before `created_at` are held."""

    node_id: _NODE
    lab_id: _LAB_OR_SITE
    state: State | UnsetType = UNSET
    simulated: bool | UnsetType = UNSET
    note: _TEXT | UnsetType | None = UNSET
    created_at: _TIME | UnsetType = UNSET


class Deployment(Entry, kw_only=True, frozen=True):
    """A node's stay at a site; `to_t` null or unset: it is still there."""

    node_id: _NODE
    site_id: _LAB_OR_SITE
    from_t: _TIME
    to_t: _TIME | UnsetType | None = UNSET
    mount: _TEXT | UnsetType | None = UNSET
    height_m: Annotated[float, Meta(ge=0, le=50)] | UnsetType | None = UNSET
    azimuth_deg: Annotated[float, Meta(ge=0, lt=360)] | UnsetType | None = UNSET
    latitude: _LATITUDE | UnsetType | None = UNSET
    longitude: _LONGITUDE | UnsetType | None = UNSET


class Calibration(Entry, kw_only=True, frozen=True):
    """Light: gain x lx + offset. Noise: dB + offset. Footfall: gain x count of `line` or of all."""

    node_id: _NODE
    quantity: Stream
    from_t: _TIME
    reference: _TEXT
    line: str | None = None
    gain: Annotated[float, Meta(gt=0)] = 1.0
    offset: float = 0.0
    uncertainty: Annotated[float, Meta(ge=0)] | UnsetType | None = UNSET
    event: str | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if self.quantity == "noise" and self.gain != 1:
            raise ValueError(f"gain is {self.gain}; a level has an offset in dB and no gain")
        if self.quantity == "footfall" and self.offset != 0:
            raise ValueError(f"offset is {self.offset}; a count has a gain and no offset")
        if self.quantity != "footfall" and self.line is not None:
            raise ValueError(f"line is {self.line!r} on {self.quantity}; only footfall has lines")


class Lamp(Entry, kw_only=True, frozen=True):
    """The lamp that a node watches, from `from_t` until the node's next row.

    `survey_factor` is the average of a survey's grid over the level at the node.
    """

    node_id: _NODE
    from_t: _TIME
    feeder: _TEXT | None = None
    commissioned_lx: Annotated[float, Meta(gt=0)] | None = None
    survey_factor: Annotated[float, Meta(gt=0)] | None = None
    surveyed_on: date | None = None
    survey_uncertainty: Annotated[float, Meta(ge=0)] | None = None
    lighting_class: _TEXT | None = None
    rated_w: Annotated[float, Meta(gt=0)] | None = None
    note: _TEXT | None = None

    def __post_init__(self) -> None:
        if (self.survey_factor is None) != (self.surveyed_on is None):
            raise ValueError("survey_factor and surveyed_on come together: of when is the survey?")


class Exclusion(Entry, kw_only=True, frozen=True):
    """Records that don't count, of one node or all at a site; `stream` null: of all streams."""

    from_t: _TIME
    to_t: _TIME
    reason: _TEXT
    node_id: _NODE | None = None
    site_id: _LAB_OR_SITE | None = None
    stream: Stream | None = None


class ClockCorrection(Entry, kw_only=True, frozen=True):
    """The clock of one boot was off: `offset_ms` is added to the time of its held records."""

    node_id: _NODE
    spool: str
    boot: str
    offset_ms: int
    reason: _TEXT


class Intervention(Entry, kw_only=True, frozen=True):
    """What is done, when; `arms` says to which sites, and which others are compared."""

    intervention_id: _INTERVENTION
    lab_id: _LAB_OR_SITE
    title: _TEXT
    kind: _TEXT
    planned_on: date | UnsetType | None = UNSET
    from_t: _TIME | UnsetType | None = UNSET
    to_t: _TIME | UnsetType | None = UNSET
    note: _TEXT | UnsetType | None = UNSET
    arms: dict[Arm, list[_LAB_OR_SITE]] | UnsetType = UNSET  # {}: none at all


# Which table, and what identifies a row there.
TABLE: dict[type[Entry], tuple[str, tuple[str, ...]]] = {
    Lab: ("lab", ("lab_id",)),
    Site: ("site", ("site_id",)),
    Node: ("node", ("node_id",)),
    Deployment: ("deployment", ("node_id", "from_t")),
    Calibration: ("calibration", ("node_id", "quantity", "line", "from_t")),
    Lamp: ("lamp", ("node_id", "from_t")),
    Exclusion: ("exclusion", ("node_id", "site_id", "stream", "from_t", "to_t")),
    ClockCorrection: ("clock_correction", ("node_id", "spool", "boot")),
    Intervention: ("intervention", ("intervention_id",)),
}
