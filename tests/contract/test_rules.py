"""What holds between the fields of a record or message; each refusal names its field."""

from typing import Any

import msgspec
import pytest

from contract.batch import RECORD_TYPE, decode_batch, encode_batch, encode_record
from contract.errors import DecodeError
from contract.events import Calibration, EventRecord, SensorFault
from contract.flags import Flag
from contract.json import encode
from contract.messages import Geometry, decode_ack, decode_config
from contract.records import FootfallRecord, LightRecord
from contract.streams import Stream
from tests.contract.sample_payloads import sample, sample_batch

NAN = float("nan")


def changed(stream: Stream, **fields: Any) -> Any:
    """The sample record of `stream`, with some fields changed, as the decoder sees it."""
    record = sample(f"up-{stream}")["records"][0] | fields
    return msgspec.convert(record, RECORD_TYPE[stream])


MEASURED_BUT_EMPTY = {
    Stream.LIGHT: dict.fromkeys(["lux_p10", "lux_p50", "lux_p90", "lux_max"]),
    Stream.NOISE: dict.fromkeys(["laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq"]),
}


@pytest.mark.parametrize(
    ("stream", "fields", "field"),
    [
        pytest.param(stream, {name: None}, name, id=f"{name} null though measured")
        for stream, names in MEASURED_BUT_EMPTY.items()
        for name in names
    ]
    + [
        pytest.param(
            stream,
            MEASURED_BUT_EMPTY[stream] | {"valid_s": 0, "laf_hist": [], name: 50.0}
            if stream is Stream.NOISE
            else MEASURED_BUT_EMPTY[stream] | {"valid_s": 0, name: 0.0},
            name,
            id=f"{name} given though not measured",
        )
        for stream, names in MEASURED_BUT_EMPTY.items()
        for name in names
    ]
    + [
        pytest.param(Stream.LIGHT, {"valid_s": 61.5}, "valid_s", id="more valid than there was"),
        pytest.param(
            Stream.NOISE,
            MEASURED_BUT_EMPTY[Stream.NOISE] | {"valid_s": 0},
            "laf_hist",
            id="histogram of nothing",
        ),
        pytest.param(
            Stream.FOOTFALL, {"valid_s": 0, "occupancy": None}, "lines", id="counted blind"
        ),
        pytest.param(
            Stream.FOOTFALL, {"valid_s": 0, "lines": []}, "occupancy", id="occupied though blind"
        ),
        pytest.param(
            Stream.FOOTFALL, {"dur_s": 60, "valid_s": 60}, "dur_s", id="footfall by minute"
        ),
        pytest.param(
            Stream.FOOTFALL,
            {"lines": [{"line": "gate", "a_to_b": 1, "b_to_a": 1}] * 2},
            "lines",
            id="line named twice",
        ),
        pytest.param(Stream.EVENT, {"dur_s": 60}, "dur_s", id="event that lasts"),
    ]
    + [
        pytest.param(stream, {"dur_s": 0, "valid_s": 0.5}, "dur_s", id=f"{stream} of no length")
        for stream in Stream
        if stream is not Stream.EVENT
    ],
)
def test_contradiction_names_its_field(stream: Stream, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"^{field} "):
        changed(stream, **fields)


def test_blind_window_is_null_and_valid() -> None:
    lines = [{"line": "gate", "a_to_b": None, "b_to_a": None}]
    record = changed(Stream.FOOTFALL, valid_s=0, occupancy=None, lines=lines, flags=["DARK"])
    assert record.lines[0].a_to_b is None


def test_short_footfall_window_is_fine_when_partial() -> None:
    record = changed(Stream.FOOTFALL, dur_s=120, valid_s=120, flags=["PARTIAL"])
    assert record.flags == [Flag.PARTIAL]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {
                "kind": "spool_overflow",
                "stream": "light",
                "spool": "abcdefgh",
                "first": 9,
                "last": 8,
            },
            "body.last",
        ),
        (
            {
                "kind": "validation",
                "line": "gate",
                "from_t": 1_795_000_000_000,
                "to_t": 1_795_000_000_000,
                "manual_a_to_b": 1,
                "manual_b_to_a": 1,
                "counted_a_to_b": 1,
                "counted_b_to_a": 1,
            },
            "body.to_t",
        ),
    ],
    ids=["range backwards", "validation of no length"],
)
def test_contradicting_event_names_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"^{field} "):
        changed(Stream.EVENT, body=body)


def test_unknown_event_kind_is_refused_by_name() -> None:
    record = sample("up-event")["records"][0] | {"body": {"kind": "party"}}
    batch = decode_batch(
        Stream.EVENT, msgspec.json.encode(sample("up-event") | {"records": [record]})
    )
    (reject,) = batch.rejects
    assert reject.reason.startswith("records[0].body.kind: ")
    assert "party" in reject.reason


def config(**geometry: Any) -> bytes:
    whole = sample("down-config")
    return msgspec.json.encode(whole | {"geometry": whole["geometry"] | geometry})


LINE = {"line": "gate", "x1": 0.1, "y1": 0.5, "x2": 0.9, "y2": 0.5}


@pytest.mark.parametrize(
    ("geometry", "field"),
    [
        pytest.param({"lines": []}, "geometry.lines", id="no line"),
        pytest.param({"lines": [LINE] * 2}, "geometry.lines", id="line named twice"),
        pytest.param(
            {"lines": [LINE | {"x2": 0.1}]}, "geometry.lines[0].line", id="line of no length"
        ),
        pytest.param({"lines": [LINE | {"x1": 1.5}]}, "geometry.lines[0].x1", id="line outside"),
        pytest.param({"lines": [LINE | {"x1": 310}]}, "geometry.lines[0].x1", id="line in pixels"),
        pytest.param(
            {"lines": [LINE | {"line": "Gate A"}]}, "geometry.lines[0].line", id="bad name"
        ),
        pytest.param({"zone": [[0, 0], [1, 1]]}, "geometry.zone", id="zone of two corners"),
        pytest.param({"zone": [[0, 0], [1, 1]] * 2}, "geometry.zone", id="zone without area"),
        pytest.param(
            {"zone": [[0, 0], [1, 1], [0, 1.01]]}, "geometry.zone[2][1]", id="zone outside"
        ),
        pytest.param({"zone": [[0, 0], [1, 1], [0]]}, "geometry.zone[2]", id="half a corner"),
        pytest.param({"zone": [[0, 0], [0.5, 1], [1, 0]] * 11}, "geometry.zone", id="33 corners"),
    ],
)
def test_bad_geometry_names_its_field(geometry: dict[str, Any], field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_config(config(**geometry))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("windows", "field"),
    [
        ({"light_s": 7}, "windows.light_s"),
        ({"noise_s": 0}, "windows.noise_s"),
        ({"footfall_s": 60}, "windows.footfall_s"),
        ({"health_s": 86_400}, "windows.health_s"),
    ],
)
def test_bad_window_names_its_field(windows: dict[str, int], field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_config(msgspec.json.encode(sample("down-config") | {"windows": windows}))
    assert caught.value.field == field


def test_ack_beyond_every_seq_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"^seq: "):
        decode_ack(b'{"v":1,"spool":"abcdefgh","seq":9223372036854775807}')


def light(**fields: Any) -> LightRecord:
    return msgspec.structs.replace(changed(Stream.LIGHT), **fields)  # type: ignore[no-any-return]


@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
def test_nan_is_refused_never_written_as_null(value: float) -> None:
    with pytest.raises(DecodeError) as alone:
        encode_record(Stream.LIGHT, light(lux_p50=value))
    with pytest.raises(DecodeError) as in_batch:
        encode_batch(sample_batch(Stream.LIGHT).header, [light(lux_p50=value)])
    assert alone.value.field == in_batch.value.field == "lux_p50"


def test_nan_within_an_event_is_refused() -> None:
    body = Calibration(quantity="light", reference="lux meter 12", as_found=NAN)
    event = EventRecord(seq=1, t=1_795_000_000_000, dur_s=0, valid_s=0, body=body)
    with pytest.raises(DecodeError, match=r"^body\.as_found: nan"):
        encode_record(Stream.EVENT, event)


def test_nan_in_a_header_is_refused() -> None:
    batch = sample_batch(Stream.NOISE)
    header = msgspec.structs.replace(batch.header, sens_db=NAN)
    with pytest.raises(DecodeError, match=r"^sens_db: nan"):
        encode_batch(header, batch.records)


def test_nan_in_geometry_is_refused() -> None:
    whole = decode_config(msgspec.json.encode(sample("down-config")))
    assert isinstance(whole.geometry, Geometry)
    whole.geometry.lines[0].x1 = NAN
    with pytest.raises(DecodeError, match=r"^geometry\.lines\[0\]\.x1: nan"):
        encode(whole)


def test_lone_surrogate_is_refused_on_encode() -> None:
    body = SensorFault(sensor="camera", state="bus_error", detail="\ud800")
    event = EventRecord(seq=1, t=1_795_000_000_000, dur_s=0, valid_s=0, body=body)
    with pytest.raises(DecodeError, match="can't be written as JSON"):
        encode_record(Stream.EVENT, event)


@pytest.mark.parametrize("detail", ["a\x00b", "\x1b[31m", "\x7f"])
def test_control_character_in_text_is_refused(detail: str) -> None:
    body = SensorFault(sensor="camera", state="bus_error", detail=detail)
    event = EventRecord(seq=1, t=1_795_000_000_000, dur_s=0, valid_s=0, body=body)
    with pytest.raises(DecodeError, match=r"body\.detail: "):
        encode_record(Stream.EVENT, event)


@pytest.mark.parametrize("seq", [0, 2**63 - 1, 2**70, 1.5, "1", None])
def test_bad_seq_is_refused_before_it_is_spooled(seq: Any) -> None:
    with pytest.raises(DecodeError, match="seq: "):
        encode_record(Stream.LIGHT, light(seq=seq))


def test_object_without_json_form_is_refused_on_encode() -> None:
    with pytest.raises(DecodeError, match="can't be written as JSON"):
        encode_record(Stream.LIGHT, light(sensor=object()))


def test_footfall_has_no_field_for_a_person() -> None:
    """Privacy by shape: counts and occupancy alone; no track, box, dwell or time of one person."""
    assert set(FootfallRecord.__struct_fields__) == {
        "seq", "t", "dur_s", "valid_s", "flags",
        "lines", "occupancy", "fps", "scene_luma", "geometry_rev",
    }  # fmt: skip
