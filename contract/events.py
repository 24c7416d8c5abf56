"""Events: what happened at a node at one instant, sequenced like every other stream.

`dur_s` and `valid_s` of an event are 0; `body` is tagged by `kind`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract import fields as f
from contract.records import Record
from contract.streams import Stream


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What an event says; one subclass a kind."""


class Restart(Body, tag="restart", kw_only=True, forbid_unknown_fields=True):
    """The agent started; a window open when it stopped is a gap from `down_from` to `down_to`."""

    reason: f.Word
    previous_boot: f.BootId | None = None
    down_from: f.TimeMs | None = None
    down_to: f.TimeMs | None = None


class Tamper(Body, tag="tamper", kw_only=True, forbid_unknown_fields=True):
    """The enclosure was opened or closed."""

    open: bool


class SensorFault(Body, tag="sensor_fault", kw_only=True, forbid_unknown_fields=True):
    """A sensor changed its state; `ok` ends a fault."""

    sensor: f.Word
    state: f.Word
    detail: f.Text | None = None


class Lost(Body, kw_only=True, forbid_unknown_fields=True):
    """Records of one stream that will never come: `first` to `last`, both included."""

    stream: Stream
    spool: f.SpoolId
    first: f.Seq
    last: f.Seq
    detail: f.Text | None = None


class SpoolOverflow(Lost, tag="spool_overflow", kw_only=True, forbid_unknown_fields=True):
    """The spool was full and its oldest records went."""


class Quarantine(Lost, tag="quarantine", kw_only=True, forbid_unknown_fields=True):
    """A record that the server never acknowledged was set aside on the node."""


class ConfigApplied(Body, tag="config_applied", kw_only=True, forbid_unknown_fields=True):
    """Answer to `down/config`: applied, or refused with the reason."""

    config_rev: f.SmallInt
    ok: bool
    detail: f.Text | None = None


class Calibration(Body, tag="calibration", kw_only=True, forbid_unknown_fields=True):
    """A calibration as measured on site; the server turns it into a dated row.

    Light: corrected = gain x reading + offset (lx). Noise: corrected = reading + offset (dB).
    `as_found` is the raw reading of the reference, `as_left` the corrected one; `drift` is how much
    more the raw reading shows than at the node's calibration before: dB (noise), share (light).
    """

    quantity: Literal["light", "noise"]
    gain: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    offset: Annotated[float, Meta(ge=-100_000, le=100_000)] = 0.0
    as_found: float | None = None
    as_left: float | None = None
    drift: float | None = None
    uncertainty: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    reference: f.Text
    operator: f.Text | None = None


class Validation(Body, tag="validation", kw_only=True, forbid_unknown_fields=True):
    """A manual tally against the counter over the same minutes."""

    line: f.LineName
    from_t: f.TimeMs
    to_t: f.TimeMs
    manual_a_to_b: f.Count
    manual_b_to_a: f.Count
    counted_a_to_b: f.Count
    counted_b_to_a: f.Count
    lux_p50: f.Lux | None = None
    operator: f.Text | None = None


class CheckResult(Body, tag="check_result", kw_only=True, forbid_unknown_fields=True):
    """Answer to a `check` command."""

    check: f.Word
    ok: bool
    nonce: f.Nonce | None = None
    detail: f.Text | None = None


class WalkTest(Body, tag="walk_test", kw_only=True, forbid_unknown_fields=True):
    """A walk test began or ended; normal footfall windows pause meanwhile."""

    started: bool
    by: Literal["button", "command"]


class Aim(Body, tag="aim", kw_only=True, forbid_unknown_fields=True):
    """The placement view was opened or closed; the counter is stopped meanwhile."""

    started: bool


EventBody = (
    Restart
    | Tamper
    | SensorFault
    | SpoolOverflow
    | Quarantine
    | ConfigApplied
    | Calibration
    | Validation
    | CheckResult
    | WalkTest
    | Aim
)


class EventRecord(Record, kw_only=True, forbid_unknown_fields=True):
    """One event."""

    body: EventBody

    def __post_init__(self) -> None:
        super().__post_init__()
        body = self.body
        if self.dur_s or self.valid_s:
            raise ValueError(f"dur_s is {self.dur_s} and valid_s {self.valid_s}; an event's are 0")
        if isinstance(body, Lost) and body.last < body.first:
            raise ValueError(f"body.last {body.last} is before body.first {body.first}")
        if isinstance(body, Validation) and body.to_t <= body.from_t:
            raise ValueError(f"body.to_t {body.to_t} is not after body.from_t {body.from_t}")
