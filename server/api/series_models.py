"""What `/api/v1/series/{stream}` answers with."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, Field

from contract.flags import Flag
from server.api.models import Utc


class SeriesStream(StrEnum):
    """Streams that have a series."""

    LIGHT = "light"
    NOISE = "noise"
    FOOTFALL = "footfall"
    HEALTH = "health"


class Grain(StrEnum):
    """One row a record, an hour (UTC), or a local day of the site."""

    RAW = "raw"
    HOUR = "1h"
    DAY = "1d"


class Row(BaseModel):
    """One window, hour or day of one node, and of one line of footfall.

    An hour or day in which a deployment, calibration or exclusion changed is several rows.
    """

    node: str
    t: Utc | None = Field(default=None, description="start of the window or hour; null for days")
    day: date | None = Field(default=None, description="local day of the site; null but for days")
    line: str | None = Field(default=None, description="footfall line; null for the whole scene")
    dur_s: float = Field(description="seconds of the windows in it")
    valid_s: float = Field(description="seconds really measured; values speak for these alone")
    records_n: int = Field(description="records in it; 1 for raw")
    flags: list[Flag] = Field(description="every flag that any of its records carries")
    excluded: bool | None = Field(
        default=None, description="a dated exclusion covers it; null for raw, which is as sent"
    )
    calibration_id: int | None = Field(default=None, description="applied to these values")
    values: dict[str, float | None] = Field(description="by quantity; null: it was not measured")


class Series(BaseModel):
    """A page of a series. Where nothing was received there is no row: a gap, never a zero."""

    stream: SeriesStream
    grain: Grain
    corrected: bool = Field(
        description="true: by the calibration that holds; raw rows are as the node sent them"
    )
    units: dict[str, str] = Field(description="unit of each quantity in `values`")
    rows: list[Row]
    next: Utc | None = Field(
        description="give this as `from` for the next page; null: that was the last"
    )
