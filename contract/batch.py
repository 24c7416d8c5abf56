"""A batch: one MQTT payload with records of one stream, and the range it speaks for.

The header's `spool, first, last, low` also travel as MQTT 5 user properties, so that a payload
that can't be decoded is still accounted for in the server's ledger.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from contract import fields as f
from contract.errors import DecodeError
from contract.events import EventRecord
from contract.ids import SPOOL_PATTERN
from contract.json import decode, encode
from contract.limits import MAX_RECORDS_PER_BATCH, MAX_SEQ
from contract.records import FootfallRecord, HealthRecord, LightRecord, NoiseRecord, Record
from contract.streams import Stream

VERSION = 1

RECORD_TYPE: dict[Stream, type[Record]] = {
    Stream.LIGHT: LightRecord,
    Stream.NOISE: NoiseRecord,
    Stream.FOOTFALL: FootfallRecord,
    Stream.HEALTH: HealthRecord,
    Stream.EVENT: EventRecord,
}


class Header(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all records of a batch share."""

    v: Literal[1]
    spool: f.SpoolId
    boot: f.BootId
    rev: f.Rev
    low: Annotated[
        f.Seq,
        Meta(description="lowest `seq` that the node still holds; what is below will never come"),
    ]
    nonce: Annotated[f.Nonce, Meta(description="of a `nonce` command, sent back")] | None = None
    sens_db: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=200,
                description="level of a full-scale sine by the microphone's datasheet",
                extra_json_schema={"x-unit": "dB"},
            ),
        ]
        | None
    ) = None


class _RawBatch(Header, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    records: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_RECORDS_PER_BATCH)]


class _Identity(msgspec.Struct):
    """Just enough of a record to account for one that can't be decoded."""

    seq: f.Seq


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be decoded: its `seq` if that much was legible, and why."""

    seq: int | None
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded batch: the header, the good records, and the bad ones beside them."""

    stream: Stream
    header: Header
    records: Sequence[Record]
    rejects: Sequence[Reject]


@dataclass(frozen=True, slots=True)
class BatchRange:
    """The range a batch speaks for: `first` to `last` of `spool`, `low` the lowest still held."""

    spool: str
    first: int
    last: int
    low: int

    def as_user_properties(self) -> list[tuple[str, str]]:
        """As MQTT 5 user properties."""
        return [
            ("spool", self.spool),
            ("first", str(self.first)),
            ("last", str(self.last)),
            ("low", str(self.low)),
        ]

    @classmethod
    def from_user_properties(cls, properties: Iterable[tuple[str, str]]) -> "BatchRange | None":
        """The range in `properties`, or None when it is missing or makes no sense."""
        found = dict(properties)
        try:
            batch_range = msgspec.convert(found, _RangeProperties, strict=False)
        except msgspec.ValidationError:
            return None
        # A batch holds at most MAX_RECORDS_PER_BATCH records, so a wider claim is a lie that
        # would write off records nobody has sent.
        width = batch_range.last - batch_range.first + 1
        if not 1 <= width <= MAX_RECORDS_PER_BATCH or batch_range.low > batch_range.first:
            return None
        return cls(batch_range.spool, batch_range.first, batch_range.last, batch_range.low)


class _RangeProperties(msgspec.Struct, kw_only=True):
    spool: Annotated[str, Meta(pattern=SPOOL_PATTERN)]
    first: Annotated[int, Meta(ge=1, le=MAX_SEQ)]
    last: Annotated[int, Meta(ge=1, le=MAX_SEQ)]
    low: Annotated[int, Meta(ge=1, le=MAX_SEQ)]


_RAW_DECODER = msgspec.json.Decoder(_RawBatch)
_IDENTITY_DECODER = msgspec.json.Decoder(_Identity)
_RECORD_DECODER = {s: msgspec.json.Decoder(kind) for s, kind in RECORD_TYPE.items()}


def _batch_type(stream: Stream) -> type[Any]:
    """Header and records in one struct, to be decoded in one pass."""
    record_type = RECORD_TYPE[stream]
    # The element type is a value here, which a type checker can't follow.
    records = Annotated[
        list[record_type],  # type: ignore[valid-type]
        Meta(min_length=1, max_length=MAX_RECORDS_PER_BATCH),
    ]
    return msgspec.defstruct(
        f"{stream.value.capitalize()}Batch",
        [("records", records)],
        bases=(Header,),
        kw_only=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": f"One MQTT payload: records of `{stream}` and what they share."},
    )


# What a payload of each stream looks like; the AsyncAPI document is made from these.
BATCH_TYPE = {s: _batch_type(s) for s in Stream}
_WHOLE_DECODER = {s: msgspec.json.Decoder(kind) for s, kind in BATCH_TYPE.items()}


def decode_batch(stream: Stream, payload: bytes) -> Batch:
    """Decode one payload of `stream`.

    Records are independent: a bad one becomes a `Reject` and its neighbours stay. Raises
    `DecodeError` only when the header or the list itself is unreadable.
    """
    try:
        whole = decode(_WHOLE_DECODER[stream], payload)
    except DecodeError:
        return _decode_one_by_one(stream, payload)
    _check_header(stream, whole)
    return Batch(stream, whole, whole.records, ())


def encode_record(stream: Stream, record: Record) -> bytes:
    """`record` as JSON, checked against the contract before it is spooled.

    Raises `DecodeError` when a value is out of bounds, not finite or of the wrong type.
    """
    blob = encode(record)
    decode(_RECORD_DECODER[stream], blob, at=f"{stream} record {record.seq}")
    return blob


def encode_batch(header: Header, records: Sequence[Record | msgspec.Raw]) -> bytes:
    """A batch as payload; records may be given as already encoded JSON."""
    raw = [r if isinstance(r, msgspec.Raw) else msgspec.Raw(encode(r)) for r in records]
    fields = {name: getattr(header, name) for name in Header.__struct_fields__}
    return encode(_RawBatch(**fields, records=raw))


def _decode_one_by_one(stream: Stream, payload: bytes) -> Batch:
    raw = decode(_RAW_DECODER, payload)
    _check_header(stream, raw)
    records: list[Record] = []
    rejects: list[Reject] = []
    for index, item in enumerate(raw.records):
        blob = bytes(item)
        try:
            records.append(decode(_RECORD_DECODER[stream], blob, at=f"records[{index}]"))
        except DecodeError as error:
            rejects.append(Reject(_legible_seq(blob), blob, str(error)))
    return Batch(stream, raw, records, rejects)


def _legible_seq(blob: bytes) -> int | None:
    try:
        return decode(_IDENTITY_DECODER, blob).seq
    except DecodeError:
        return None


def _check_header(stream: Stream, header: Header) -> None:
    if (header.sens_db is None) == (stream is Stream.NOISE):
        seen = "missing on noise" if stream is Stream.NOISE else f"given on {stream}"
        raise DecodeError("sens_db", f"{seen}; it belongs on noise and nowhere else")
