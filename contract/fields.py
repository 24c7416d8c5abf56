"""The vocabulary of record fields: bounded types with unit and meaning, used by every record.

Bounds are physical or technical, wide enough for any honest reading; what lies outside is a bug
or an attack and is rejected with the field's name. The unit stands in the schema (`x-unit`).
"""

from typing import Annotated

from msgspec import Meta

from contract import ids, limits
from contract.errors import printable

TEXT_MAX_CHARS = 400


def _unit(unit: str) -> dict[str, str]:
    return {"x-unit": unit}


Seq = Annotated[
    int,
    Meta(ge=1, le=limits.MAX_SEQ, description="counts up from 1 per node, spool and stream"),
]
TimeMs = Annotated[
    int,
    Meta(
        ge=limits.MIN_T_MS,
        le=limits.MAX_T_MS,
        description="UTC, milliseconds since 1970-01-01",
        extra_json_schema=_unit("ms"),
    ),
]
DurationS = Annotated[
    float,
    Meta(
        ge=0,
        le=limits.MAX_WINDOW_S,
        description="length of the window",
        extra_json_schema=_unit("s"),
    ),
]
ValidS = Annotated[
    float,
    Meta(
        ge=0,
        le=limits.MAX_WINDOW_S,
        description="seconds really measured within the window",
        extra_json_schema=_unit("s"),
    ),
]
WindowS = Annotated[
    int,
    Meta(
        ge=1,
        le=limits.MAX_WINDOW_S,
        description="how long a window is; divides a day",
        extra_json_schema=_unit("s"),
    ),
]
FootfallWindowS = Annotated[
    int,
    Meta(
        ge=limits.MIN_FOOTFALL_WINDOW_S,
        le=limits.MAX_WINDOW_S,
        description="how long a window is; divides a day, and is never shorter than this",
        extra_json_schema=_unit("s"),
    ),
]
Lux = Annotated[
    float,
    Meta(ge=0, le=200_000, description="illuminance, not corrected", extra_json_schema=_unit("lx")),
]
LevelDb = Annotated[
    float,
    Meta(
        ge=-40,
        le=200,
        description="sound level re 20 µPa by the nominal sensitivity, not corrected",
        extra_json_schema=_unit("dB"),
    ),
]
Count = Annotated[int, Meta(ge=0, le=100_000, extra_json_schema=_unit("1"))]
Occupancy = Annotated[
    float,
    Meta(
        ge=0,
        le=10_000,
        description="mean number of people in the zone; null without a zone or when blind",
        extra_json_schema=_unit("1"),
    ),
]
Fps = Annotated[
    float,
    Meta(ge=0, le=1000, description="frames looked at", extra_json_schema=_unit("1/s")),
]
Share = Annotated[float, Meta(ge=0, le=1, extra_json_schema=_unit("1"))]
Luma = Annotated[
    float,
    Meta(ge=0, le=255, description="mean luma of the scene", extra_json_schema=_unit("1")),
]
Celsius = Annotated[float, Meta(ge=-60, le=150, extra_json_schema=_unit("degC"))]
Seconds = Annotated[float, Meta(ge=0, le=1e10, extra_json_schema=_unit("s"))]
Milliseconds = Annotated[float, Meta(ge=-1e13, le=1e13, extra_json_schema=_unit("ms"))]
Bytes = Annotated[int, Meta(ge=0, le=2**53, extra_json_schema=_unit("byte"))]
Days = Annotated[float, Meta(ge=0, le=1e6, extra_json_schema=_unit("d"))]
Dbm = Annotated[float, Meta(ge=-200, le=50, extra_json_schema=_unit("dBm"))]
SmallInt = Annotated[int, Meta(ge=0, le=2**31 - 1)]

SpoolId = Annotated[str, Meta(pattern=ids.SPOOL_PATTERN, description="random at a spool's birth")]
BootId = Annotated[str, Meta(pattern=ids.BOOT_PATTERN, description="the kernel's boot id")]
Rev = Annotated[str, Meta(pattern=ids.REV_PATTERN, description="software and detector model")]
LineName = Annotated[str, Meta(pattern=ids.LINE_NAME_PATTERN)]
Nonce = Annotated[str, Meta(pattern=ids.NONCE_PATTERN)]
Word = Annotated[str, Meta(pattern=ids.WORD_PATTERN, description="a lower-case word")]
# No control characters but tab and newline: PostgreSQL can't store NUL, a terminal obeys the rest.
Text = Annotated[
    str,
    Meta(
        max_length=TEXT_MAX_CHARS,
        pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$",
        description="for people; never parsed",
    ),
]


def as_text(words: str) -> str:
    """`words` as a `Text`, whatever they hold: another program's complaint, a file's name."""
    return printable(words, TEXT_MAX_CHARS)
