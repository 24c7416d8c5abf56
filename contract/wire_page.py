"""The tables of `docs/wire.md`: topics, records, flags and limits, made from the contract.

`python -m contract.wire_page` rewrites what stands between the markers
`<!-- generated: NAME -->` and `<!-- end -->`; the text around them is written by hand.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from contract import limits, messages
from contract.asyncapi import channels, schemas
from contract.batch import BATCH_TYPE, RECORD_TYPE, Header
from contract.flags import FLAG_RULES
from contract.records import LineCount, Record, SensorState
from contract.streams import DEFAULT_WINDOW_S, Stream

USES = ("rollup", "kpi", "evaluation", "export")
PATH = Path(__file__).parents[1] / "docs" / "wire.md"
_BLOCK = re.compile(r"(<!-- generated: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str) -> str:
    """`page` with every generated block made anew; raises KeyError for an unknown block."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block['name']]()}\n\n{block[3]}", page)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _topics() -> str:
    rows = [
        [
            f"`{channel.address.replace('{node}', '<node>')}`",
            "node" if channel.sent_by_node else "server",
            f"`{channel.payload.__name__}`",
            (channel.payload.__doc__ or "").strip().partition("\n")[0],
        ]
        for channel in channels()
    ]
    return _table(["topic", "written by", "payload", "what it says"], rows)


def _header() -> str:
    return _fields_table(schemas([Header])["Header"], skip=set())


def _common() -> str:
    return _fields_table(schemas([Record])["Record"], skip=set())


def _messages() -> str:
    kinds = [messages.Status, messages.WalkTestCounts, messages.Ack, messages.Config]
    return _structs([*kinds, messages.Geometry, messages.Line, messages.Windows, messages.Command])


def _parts() -> str:
    return _structs([LineCount, SensorState])


def _structs(kinds: list[type[Any]]) -> str:
    found = schemas(kinds)
    return "\n\n".join(
        f"### {kind.__name__}\n\n{inspect.getdoc(kind)}\n\n"
        + _fields_table(found[kind.__name__], skip={"v"})
        for kind in kinds
    )


def _records() -> str:
    common = set(Record.__struct_fields__)
    return "\n\n".join(_record(stream, common) for stream in Stream)


def _record(stream: Stream, common: set[str]) -> str:
    kind = RECORD_TYPE[stream]
    found = schemas([kind])
    window = f" Every {DEFAULT_WINDOW_S[stream]} s." if stream in DEFAULT_WINDOW_S else ""
    summary = (kind.__doc__ or "").strip().partition("\n")[0]
    table = _fields_table(found[kind.__name__], skip=common)
    return f"### {stream}\n\n{summary}{window}\n\n{table}"


def _events() -> str:
    found = schemas([BATCH_TYPE[Stream.EVENT]])
    rows = []
    for reference in found["EventRecord"]["properties"]["body"]["anyOf"]:
        name = reference["$ref"].rpartition("/")[2]
        properties = dict(found[name]["properties"])
        tag = properties.pop("kind")["enum"][0]
        fields = ", ".join(f"`{field}`" for field in properties)
        rows.append([f"`{tag}`", found[name]["description"].partition("\n")[0], fields])
    return _table(["kind", "what happened", "fields"], rows)


def _flags() -> str:
    rows = [
        [f"`{rule.flag}`", str(rule.bit), rule.meaning]
        + ["yes" if getattr(rule, use) else "**no**" for use in USES]
        for rule in FLAG_RULES
    ]
    return _table(["flag", "bit", "meaning", *USES], rows)


def _limits() -> str:
    rows = [
        ["payload", f"{limits.MAX_PAYLOAD_BYTES} bytes"],
        ["records in a batch", str(limits.MAX_RECORDS_PER_BATCH)],
        ["window", f"up to {limits.MAX_WINDOW_S} s, dividing a day"],
        [
            "footfall window",
            f"at least {limits.MIN_FOOTFALL_WINDOW_S} s, shorter only as `PARTIAL`; of two short"
            " ones with counts within that time the second is held",
        ],
        ["walk test", f"{limits.WALK_TEST_MAX_S} s in counts of {limits.WALK_TEST_GRAIN_S} s"],
        ["wait for a synchronised clock", f"{limits.CLOCK_WAIT_S} s, then `CLOCK_UNSYNCED`"],
        ["time ahead of receipt", f"{limits.MAX_AHEAD_S} s, beyond that the record is held"],
        ["MQTT session", f"{limits.SESSION_EXPIRY_S // 86_400} days without a connection"],
    ]
    return _table(["what", "bound"], rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "topics": _topics,
    "header": _header,
    "common": _common,
    "records": _records,
    "parts": _parts,
    "messages": _messages,
    "events": _events,
    "flags": _flags,
    "limits": _limits,
}


def _fields_table(schema: dict[str, Any], skip: set[str]) -> str:
    required = set(schema.get("required", []))
    rows = []
    for name, field in schema["properties"].items():
        if name in skip:
            continue
        options = field.get("anyOf", [field])
        value = next(option for option in options if option.get("type") != "null")
        kind = "one of the events below" if len(options) > 2 else _kind(value)
        meaning = value.get("description", "")
        rows.append(
            [
                f"`{name}`" + ("" if name in required else " (optional)"),
                kind + (" or null" if {"type": "null"} in options else ""),
                value.get("x-unit", ""),
                _bounds(value),
                meaning,
            ]
        )
    return _table(["field", "type", "unit", "bounds", "meaning"], rows)


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"].rpartition("/")[2])
    if "prefixItems" in value:
        return f"pair of {' and '.join(_kind(item) for item in value['prefixItems'])}"
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    return value.get("type") or " or ".join(f"`{option}`" for option in value["enum"])


def _bounds(value: dict[str, Any]) -> str:
    if "maxLength" in value:
        return f"up to {value['maxLength']} characters"
    if "pattern" in value:
        return f"`{value['pattern'].replace(chr(92) + 'n', '').replace('(?!)', '')}`"
    if "maxItems" in value and "prefixItems" not in value:
        return f"up to {value['maxItems']}"
    if "minimum" in value:
        return f"{_number(value['minimum'])} to {_number(value['maximum'])}"
    return ""


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Rewrite the generated blocks of `docs/wire.md`."""
    PATH.write_text(renewed(PATH.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
