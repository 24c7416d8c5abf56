"""The other messages: status and walk test upwards; ack, config and command downwards."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract import fields as f
from contract.json import decode
from contract.limits import MAX_SEQ
from contract.records import LineCount

# A share of the frame, not a pixel, so that geometry outlives a change of resolution.
PositionShare = Annotated[
    float,
    Meta(
        ge=0,
        le=1,
        description="share of the frame's width (x, from the left) or height (y, from the top)",
    ),
]


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every message has."""

    v: Literal[1]


class Status(Message, kw_only=True, forbid_unknown_fields=True):
    """Birth and will of a node: unsequenced, unacknowledged, stored with its time of receipt."""

    state: Literal["online", "offline"]
    boot: f.BootId
    rev: f.Rev
    spool: f.SpoolId


class WalkTestCounts(Message, kw_only=True, forbid_unknown_fields=True):
    """Counts of a few seconds while a technician walks the line; kept 24 h, never rolled up."""

    t: f.TimeMs
    dur_s: f.DurationS
    lines: Annotated[list[LineCount], Meta(max_length=16)]


class Ack(Message, kw_only=True, forbid_unknown_fields=True):
    """Everything up to and including `seq` of `spool` is committed or accounted for."""

    spool: f.SpoolId
    seq: Annotated[int, Meta(ge=0, le=MAX_SEQ, description="0: nothing yet")]


class Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A counting line from (x1, y1) to (x2, y2).

    Side A is where (x2-x1)(y-y1) - (y2-y1)(x-x1) > 0 with y downwards; `a_to_b` leaves it.
    """

    line: f.LineName
    x1: PositionShare
    y1: PositionShare
    x2: PositionShare
    y2: PositionShare

    def __post_init__(self) -> None:
        if (self.x1, self.y1) == (self.x2, self.y2):
            raise ValueError(f"line {self.line!r} begins where it ends")


class Windows(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Window lengths; each divides a day, so that windows stay on the same grid."""

    light_s: f.WindowS = 60
    noise_s: f.WindowS = 60
    footfall_s: f.FootfallWindowS = 900
    health_s: f.WindowS = 60

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if 86_400 % getattr(self, name):
                raise ValueError(f"{name} is {getattr(self, name)} s, which doesn't divide a day")


class Geometry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where to count; a change of it is a new `geometry_rev`."""

    geometry_rev: f.SmallInt
    lines: Annotated[list[Line], Meta(min_length=1, max_length=16)]
    # Corners of the zone whose mean occupancy is reported.
    zone: (
        Annotated[list[tuple[PositionShare, PositionShare]], Meta(min_length=3, max_length=32)]
        | None
    ) = None

    def __post_init__(self) -> None:
        if len({line.line for line in self.lines}) != len(self.lines):
            raise ValueError("lines names one line twice")
        if self.zone is not None and len(set(self.zone)) < 3:
            raise ValueError(f"zone has {len(set(self.zone))} different corners; give at least 3")


class Config(Message, kw_only=True, forbid_unknown_fields=True):
    """What a node should count and how long its windows are; answered by `config_applied`."""

    config_rev: f.SmallInt
    geometry: Geometry | None = None
    windows: Windows | None = None


class Command(Message, kw_only=True, forbid_unknown_fields=True):
    """Something to do once, before `expires`; answered by an event or by the nonce in batches.

    `check` names what a `check` looks at; a `walk_test` with `check` "end" ends the one that runs.
    """

    command: Literal["check", "nonce", "walk_test"]
    nonce: f.Nonce
    expires: f.TimeMs
    check: f.Word | None = None


STATUS_DECODER = msgspec.json.Decoder(Status)
WALKTEST_DECODER = msgspec.json.Decoder(WalkTestCounts)
ACK_DECODER = msgspec.json.Decoder(Ack)
CONFIG_DECODER = msgspec.json.Decoder(Config)
COMMAND_DECODER = msgspec.json.Decoder(Command)


def decode_status(payload: bytes) -> Status:
    """Raises `DecodeError`, as all of these do."""
    return decode(STATUS_DECODER, payload)


def decode_walktest(payload: bytes) -> WalkTestCounts:
    """Counts of a walk test."""
    return decode(WALKTEST_DECODER, payload)


def decode_ack(payload: bytes) -> Ack:
    """What the server has committed."""
    return decode(ACK_DECODER, payload)


def decode_config(payload: bytes) -> Config:
    """Lines, zone and windows."""
    return decode(CONFIG_DECODER, payload)


def decode_command(payload: bytes) -> Command:
    """Something to do once."""
    return decode(COMMAND_DECODER, payload)
