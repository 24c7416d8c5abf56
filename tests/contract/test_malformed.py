"""Whatever arrives, decoding raises `DecodeError` alone, and it names the field."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import messages
from contract.batch import Batch, decode_batch, encode_batch
from contract.errors import MAX_REASON_CHARS, DecodeError
from contract.json import encode
from contract.limits import MAX_PAYLOAD_BYTES, MAX_RECORDS_PER_BATCH
from contract.streams import Stream
from tests.strategies import DECODE_MESSAGE, batches, structs

T = TypeVar("T")

LIGHT: dict[str, Any] = {
    "seq": 7,
    "t": 1_795_000_020_000,
    "dur_s": 60,
    "valid_s": 60,
    "flags": [],
    "lux_p10": 10.5,
    "lux_p50": 11.0,
    "lux_p90": 12.0,
    "lux_max": 14.25,
    "sensor": "opt3001",
}
HEADER: dict[str, Any] = {
    "v": 1,
    "spool": "abcdefgh",
    "boot": "0" * 32,
    "rev": "0.1.0",
    "low": 1,
}
RAW = "@raw@"


def payload(record: dict[str, Any] | None = None, **header: Any) -> bytes:
    """A batch of one light record, altered."""
    return json.dumps(HEADER | header | {"records": [LIGHT | (record or {})]}).encode()


def with_raw(field: str, raw: bytes) -> bytes:
    """A batch whose one light record has `raw` where the JSON of `field` should be."""
    return payload({field: RAW}).replace(f'"{RAW}"'.encode(), raw)


def only_reject(blob: bytes) -> str:
    batch = decode_batch(Stream.LIGHT, blob)
    assert batch.records == []
    (reject,) = batch.rejects
    return reject.reason


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        pytest.param("lux_p50", b'"11.0"', id="number as text"),
        pytest.param("lux_p50", b"1e999", id="float beyond double"),
        pytest.param("lux_p50", b"-1e999", id="float below double"),
        pytest.param("lux_p50", b"9" * 400, id="integer beyond double"),
        pytest.param("lux_p50", b"true", id="bool for a number"),
        pytest.param("lux_p50", b"[]", id="list for a number"),
        pytest.param("lux_p50", b"-1", id="negative illuminance"),
        pytest.param("lux_p50", b"null", id="null among measured values"),
        pytest.param("seq", b"9" * 5000, id="integer of 5000 digits"),
        pytest.param("seq", b"18446744073709551616", id="integer beyond 64 bits"),
        pytest.param("seq", b"9223372036854775807", id="seq beyond its bound"),
        pytest.param("seq", b"0", id="seq below its bound"),
        pytest.param("seq", b"1.5", id="fractional seq"),
        pytest.param("t", b'"2026-11-22T00:00:00Z"', id="time as text"),
        pytest.param("t", b"1795000020", id="time in seconds"),
        pytest.param("flags[0]", b'["DIRTY"]', id="unknown flag"),
        pytest.param("sensor", b'"opt3001\\n"', id="word with a newline"),
        pytest.param("sensor", b'"OPT3001"', id="word in upper case"),
        pytest.param("valid_s", b"99", id="more valid than there was"),
        pytest.param("dur_s", b"0", id="window without length"),
        pytest.param("dur_s", b"3601", id="window too long"),
    ],
)
def test_bad_value_names_the_record_and_its_field(field: str, raw: bytes) -> None:
    reason = only_reject(with_raw(field.partition("[")[0], raw))
    # `dur_s` of 0 contradicts `valid_s` too, and that check comes first.
    named = "valid_s" if field == "dur_s" and raw == b"0" else field
    assert reason.startswith(f"records[0].{named}: ")


def test_missing_field_is_named() -> None:
    blob = payload().replace(b'"lux_p90": 12.0, ', b"")
    assert only_reject(blob).startswith("records[0].lux_p90: ")


def test_unknown_field_is_named() -> None:
    assert only_reject(payload({"lux_mean": 3.0})).startswith("records[0].lux_mean: ")


@pytest.mark.parametrize(
    ("header", "field"),
    [
        pytest.param({"v": 2}, "v", id="unknown version"),
        pytest.param({"v": "1"}, "v", id="version as text"),
        pytest.param({"v": True}, "v", id="version as bool"),
        pytest.param({"spool": "ABCDEFGH"}, "spool", id="spool"),
        pytest.param({"spool": "abcdefgh\n"}, "spool", id="spool with a newline"),
        pytest.param({"boot": "0" * 31}, "boot", id="boot"),
        pytest.param({"rev": ""}, "rev", id="rev"),
        pytest.param({"low": 0}, "low", id="low"),
        pytest.param({"low": 2**70}, "low", id="huge low"),
        pytest.param({"nonce": "short"}, "nonce", id="nonce"),
        pytest.param({"sens_db": 120.0}, "sens_db", id="microphone on light"),
        pytest.param({"extra": 1}, "extra", id="unknown header field"),
    ],
)
def test_bad_header_refuses_the_batch_and_names_the_field(
    header: dict[str, Any], field: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_batch(Stream.LIGHT, payload(**header))
    assert caught.value.field == field


def test_noise_without_sensitivity_is_refused() -> None:
    with pytest.raises(DecodeError, match="missing on noise"):
        decode_batch(Stream.NOISE, payload())


@pytest.mark.parametrize("missing", ["v", "spool", "boot", "rev", "low", "records"])
def test_missing_header_field_is_named(missing: str) -> None:
    header = HEADER | {"records": [LIGHT]}
    del header[missing]
    with pytest.raises(DecodeError) as caught:
        decode_batch(Stream.LIGHT, json.dumps(header).encode())
    assert caught.value.field == missing


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00", id="NUL"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="empty object"),
        pytest.param(payload()[:-3], id="truncated"),
        pytest.param(payload() + b"{}", id="trailing"),
        pytest.param(b"\xef\xbb\xbf" + payload(), id="byte order mark"),
        pytest.param(payload().decode().encode("utf-16"), id="UTF-16"),
        pytest.param(with_raw("lux_p50", b"NaN"), id="NaN"),
        pytest.param(with_raw("lux_p50", b"Infinity"), id="Infinity"),
        pytest.param(with_raw("lux_p50", b"0x10"), id="hexadecimal"),
        pytest.param(with_raw("lux_p50", b"011"), id="leading zero"),
        pytest.param(with_raw("sensor", b'"\\ud800"'), id="lone surrogate"),
        pytest.param(with_raw("sensor", b'"\\udc00\\ud800"'), id="reversed surrogates"),
        pytest.param(payload(rev="@").replace(b"@", b"\xff"), id="bad UTF-8 in the header"),
        pytest.param(payload().replace(b"records", b"\xff"), id="bad UTF-8 as a key"),
        pytest.param(payload()[:-2] + b"," + nested(32_000) + b"]}", id="nested record"),
        pytest.param(payload()[:-1] + b',"x":' + nested(32_000) + b"}", id="nested header field"),
        pytest.param(b'{"records":' * 5900, id="nested objects"),
        pytest.param(nested(MAX_PAYLOAD_BYTES // 2), id="nested just under the limit"),
        pytest.param(nested(1 << 19), id="1 MB of nesting"),
        pytest.param(b" " * (MAX_PAYLOAD_BYTES + 1), id="one byte over the limit"),
    ],
)
@pytest.mark.parametrize("stream", Stream)
def test_unreadable_payload_raises_decode_error_alone(stream: Stream, blob: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_batch(stream, blob)
    assert caught.value.field


def test_payload_over_the_limit_says_how_much() -> None:
    with pytest.raises(DecodeError, match="65537 bytes, at most 65536"):
        decode_batch(Stream.LIGHT, b" " * 65537)


@pytest.mark.parametrize("records", [[], [LIGHT] * (MAX_RECORDS_PER_BATCH + 1), None, {}, "x"])
def test_list_of_records_out_of_bounds_is_refused(records: Any) -> None:
    short = [{} for _ in records] if isinstance(records, list) else records
    blob = json.dumps(HEADER | {"records": short}, separators=(",", ":")).encode()
    with pytest.raises(DecodeError) as caught:
        decode_batch(Stream.LIGHT, blob)
    assert caught.value.field == "records"


def test_repeated_key_counts_as_its_last_value() -> None:
    batch = decode_batch(Stream.LIGHT, payload().replace(b'"seq": 7', b'"seq": 7, "seq": 8'))
    assert [record.seq for record in batch.records] == [8]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"null", id="null"),
        pytest.param(b'{"seq":2}', id="missing fields"),
        pytest.param(b'{"seq":2,"\xff":1}', id="bad UTF-8"),
        pytest.param(b'{"seq":2,"lux_p50":1e999}', id="huge"),
        pytest.param(b'{"seq":2,"\\u0000":1}', id="NUL as a key"),
    ],
)
def test_bad_record_leaves_its_neighbours(bad: bytes) -> None:
    before = json.dumps(LIGHT | {"seq": 1}).encode()
    after = json.dumps(LIGHT | {"seq": 3}).encode()
    header = json.dumps(HEADER).encode()[:-1]
    blob = header + b',"records":[' + b",".join([before, bad, after]) + b"]}"
    batch = decode_batch(Stream.LIGHT, blob)
    assert [record.seq for record in batch.records] == [1, 3]
    (reject,) = batch.rejects
    assert reject.payload == bad
    assert reject.reason.startswith("records[1]")
    assert reject.seq == (None if bad == b"null" else 2)


def test_reason_can_be_stored_and_printed() -> None:
    reason = only_reject(payload({"\x00\x1b[31m" + "x" * 5000: 1}))
    assert reason.isprintable()
    assert len(reason) <= 2 * MAX_REASON_CHARS + 2


@pytest.mark.parametrize("stream", Stream)
@given(data=st.data())
def test_mutated_batch_raises_decode_error_alone(stream: Stream, data: st.DataObject) -> None:
    header, records = data.draw(batches(stream))
    blob = mutate(data, encode_batch(header, records))
    batch, error = attempt(partial(decode_batch, stream), blob)
    if batch is None:
        assert error is not None
        assert error.field
        assert str(error).isprintable()
    else:
        check_usable(batch)


@pytest.mark.parametrize("kind", DECODE_MESSAGE, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_mutated_message_raises_decode_error_alone(
    kind: type[messages.Message], data: st.DataObject
) -> None:
    blob = mutate(data, encode(data.draw(structs(kind))))
    _, error = attempt(DECODE_MESSAGE[kind], blob)
    assert error is None or error.field


@given(blob=st.binary(max_size=200), stream=st.sampled_from(Stream))
def test_random_bytes_raise_decode_error_alone(blob: bytes, stream: Stream) -> None:
    with pytest.raises(DecodeError):
        decode_batch(stream, blob)


def mutate(data: st.DataObject, blob: bytes) -> bytes:
    """`blob` with one to three runs of bytes replaced."""
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(blob)))
        length = data.draw(st.integers(0, 8))
        spare = st.sampled_from([b'"', b"[", b"{", b"null", b"1e999", b"NaN", b"\xff", b"\\ud800"])
        blob = blob[:start] + data.draw(spare | st.binary(max_size=4)) + blob[start + length :]
    return blob


def attempt(decode: Callable[[bytes], T], blob: bytes) -> tuple[T | None, DecodeError | None]:
    """What `decode` makes of `blob`, or the one error that it may raise."""
    try:
        return decode(blob), None
    except DecodeError as error:
        return None, error


def check_usable(batch: Batch) -> None:
    """What got through can be written again, so it can be stored."""
    for record in batch.records:
        encode(record).decode("utf-8")
    for reject in batch.rejects:
        assert reject.reason.isprintable()
