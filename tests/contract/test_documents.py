"""`docs/asyncapi.yaml` and `docs/wire.md` are current, whole and true."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract import asyncapi, topics, wire_page
from contract.batch import encode_batch
from contract.events import EventBody
from contract.flags import FLAG_RULES, Flag
from contract.streams import Stream
from tests.contract.sample_payloads import FOLDER, sample
from tests.strategies import batches

DOCUMENT = yaml.safe_load(asyncapi.PATH.read_text(encoding="utf-8"))
OPERATIONS = DOCUMENT["operations"]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within `value`."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def resolved(reference: str) -> Any:
    """What a `#/…` reference of the document points at; raises KeyError when at nothing."""
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def validator(channel: str) -> jsonschema.Draft202012Validator:
    """Checks payloads against the schema that the document gives for a channel."""
    (message,) = DOCUMENT["channels"][channel]["messages"].values()
    reference = resolved(message["$ref"])["payload"]["$ref"]
    return jsonschema.Draft202012Validator(
        {"$ref": reference, "components": DOCUMENT["components"]}
    )


def test_asyncapi_document_is_current() -> None:
    assert asyncapi.PATH.read_text(encoding="utf-8") == asyncapi.as_yaml(), (
        "docs/asyncapi.yaml is out of date; run `python -m contract.asyncapi`"
    )


def test_wire_page_is_current() -> None:
    page = wire_page.PATH.read_text(encoding="utf-8")
    assert page == wire_page.renewed(page), (
        "docs/wire.md is out of date; run `python -m contract.wire_page`"
    )


def test_wire_page_has_every_block() -> None:
    page = wire_page.PATH.read_text(encoding="utf-8")
    assert all(f"<!-- generated: {name} -->" in page for name in wire_page.BLOCKS)


def test_every_reference_points_at_something() -> None:
    references = [node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node]
    assert references
    for reference in references:
        assert reference.startswith("#/")
        resolved(reference)


def test_document_has_what_asyncapi_3_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= set(server)
    for channel in DOCUMENT["channels"].values():
        assert {"address", "messages"} <= set(channel)
    for operation in OPERATIONS.values():
        assert operation["action"] in ("send", "receive")
        assert resolved(operation["channel"]["$ref"]) in DOCUMENT["channels"].values()


def test_document_has_every_topic_and_no_other() -> None:
    node = "{node}"
    expected = {topics.up(node, kind) for kind in [*Stream, topics.STATUS, topics.WALKTEST]}
    expected |= {topics.ack(node, stream) for stream in Stream}
    expected |= {topics.config(node), topics.command(node)}
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == expected


def test_node_sends_up_and_receives_down() -> None:
    for operation in OPERATIONS.values():
        address = resolved(operation["channel"]["$ref"])["address"]
        assert operation["action"] == ("send" if "/up/" in address else "receive")


def test_every_operation_is_qos_1_and_never_retained() -> None:
    for operation in OPERATIONS.values():
        assert operation["bindings"]["mqtt"]["qos"] == 1
        assert operation["bindings"]["mqtt"]["retain"] is False


def test_batches_declare_their_user_properties() -> None:
    for stream in Stream:
        (message,) = DOCUMENT["channels"][f"up-{stream}"]["messages"].values()
        assert resolved(message["$ref"])["headers"]["required"] == ["spool", "first", "last", "low"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_sample_fits_the_published_schema(path: Any) -> None:
    channel = "down-ack-light" if path.stem == "down-ack" else path.stem
    validator(channel).validate(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("stream", Stream)
@given(data=st.data())
def test_any_valid_batch_fits_the_published_schema(stream: Stream, data: st.DataObject) -> None:
    header, records = data.draw(batches(stream))
    validator(f"up-{stream}").validate(json.loads(encode_batch(header, records)))


def test_published_schema_refuses_a_trailing_newline() -> None:
    spoiled = sample("up-light") | {"spool": sample("up-light")["spool"] + "\n"}
    with pytest.raises(jsonschema.ValidationError, match="does not match"):
        validator("up-light").validate(spoiled)


# `Text`, names and plain counts have no unit; whatever ends in one of these has.
UNIT_OF_SUFFIX = {
    "_s": "s",
    "_ms": "ms",
    "_lx": "lx",
    "_db": "dB",
    "_dbm": "dBm",
    "_c": "degC",
    "_bytes": "byte",
}


def test_fields_whose_names_carry_a_unit_state_it() -> None:
    wrong = []
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, found in schema.get("properties", {}).items():
            suffix = next((s for s in UNIT_OF_SUFFIX if field.endswith(s)), None)
            units = {option.get("x-unit") for option in found.get("anyOf", [found])} - {None}
            if suffix and units != {UNIT_OF_SUFFIX[suffix]}:
                wrong.append(f"{name}.{field}: {units or 'no unit'}")
    assert not wrong


@pytest.mark.parametrize("field", ["lux_p50", "laeq", "lafmax", "la90", "lceq"])
def test_measured_quantities_state_their_unit(field: str) -> None:
    record = "LightRecord" if field.startswith("lux") else "NoiseRecord"
    number, _ = DOCUMENT["components"]["schemas"][record]["properties"][field]["anyOf"]
    assert number["x-unit"] == ("lx" if record == "LightRecord" else "dB")


def test_wire_page_shows_every_flag_and_event_kind() -> None:
    page = wire_page.PATH.read_text(encoding="utf-8")
    for rule in FLAG_RULES:
        assert f"| `{rule.flag}` | {rule.bit} | {rule.meaning} |" in page
    for kind in EventBody.__args__:
        assert f"| `{kind.__struct_config__.tag}` |" in page
    assert len(FLAG_RULES) == len(Flag)
