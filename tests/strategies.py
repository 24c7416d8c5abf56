"""Hypothesis strategies for everything on the wire, read off the contract's own types.

A new field or kind of event is covered the moment it is declared; only what `__post_init__` asks
for beyond the types (`valid_s` 0 means null, names are unique, ...) is arranged here by hand.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as types

from contract import messages
from contract.batch import RECORD_TYPE, Header
from contract.events import EventRecord, Lost, Validation
from contract.limits import MAX_RECORDS_PER_BATCH, MAX_SEQ, MIN_FOOTFALL_WINDOW_S
from contract.messages import Geometry, Line, Windows
from contract.records import FootfallRecord, LightRecord, NoiseRecord, Record
from contract.streams import Stream

T = TypeVar("T")
MEASURED = {
    LightRecord: ("lux_p10", "lux_p50", "lux_p90", "lux_max"),
    NoiseRecord: ("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq"),
}
DECODE_MESSAGE: dict[type[messages.Message], Callable[[bytes], messages.Message]] = {
    messages.Status: messages.decode_status,
    messages.WalkTestCounts: messages.decode_walktest,
    messages.Ack: messages.decode_ack,
    messages.Config: messages.decode_config,
    messages.Command: messages.decode_command,
}
# Keeps examples small; the contract's own bounds have tests of their own.
MAX_DRAWN_ITEMS = 4
WINDOW_LENGTHS_S = [s for s in range(1, 3601) if 86_400 % s == 0]

_BUILT: dict[type[Any], st.SearchStrategy[Any]] = {}


def records(stream: Stream) -> st.SearchStrategy[Record]:
    """Valid records of one stream, measured and not measured."""
    return structs(RECORD_TYPE[stream])


@functools.cache
def headers(stream: Stream) -> st.SearchStrategy[Header]:
    """Valid headers; `sens_db` is there exactly on noise."""
    return structs(Header, sens_db=st.floats(0, 200) if stream is Stream.NOISE else st.none())


@functools.cache
def batches(stream: Stream) -> st.SearchStrategy[tuple[Header, list[Record]]]:
    """A header and one to a few records."""
    return st.tuples(headers(stream), st.lists(records(stream), min_size=1, max_size=5))


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, int]:
    """`first`, `last` and `low` as an honest batch may claim them."""
    first = draw(st.integers(1, MAX_SEQ - MAX_RECORDS_PER_BATCH))
    last = first + draw(st.integers(0, MAX_RECORDS_PER_BATCH - 1))
    return {"first": first, "last": last, "low": draw(st.integers(1, first))}


def structs(struct: type[T], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Valid instances of a struct of the contract; `fixed` replaces single fields."""
    if struct not in _BUILT and not fixed:
        _BUILT[struct] = _built(struct)  # once; hypothesis keeps what it learns of a strategy
    return _built(struct, **fixed) if fixed else _BUILT[struct]


def _built(struct: type[Any], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)
    fields = {f.encode_name: fixed.get(f.name, _of(f.type)) for f in info.fields}
    arrange = _ARRANGE.get(struct)
    if arrange is None and issubclass(struct, Record):
        arrange = _arrange_window
    values: st.SearchStrategy[Any] = st.fixed_dictionaries(fields)
    if arrange is not None:
        values = values.map(arrange).filter(lambda found: found is not None)
    return values.map(lambda found: struct(**found))


def _of(kind: types.Type) -> st.SearchStrategy[Any]:
    match kind:
        case types.UnionType():
            return st.one_of([_of(option) for option in kind.types])
        case types.ListType():
            least = kind.min_length or 0
            most = min(kind.max_length or MAX_DRAWN_ITEMS, least + MAX_DRAWN_ITEMS)
            return st.lists(_of(kind.item_type), min_size=least, max_size=most)
        case types.TupleType():
            return st.tuples(*[_of(item) for item in kind.item_types])
        case types.StructType():
            return structs(kind.cls)
        case types.Metadata():
            return _of(kind.type)
    return _of_scalar(kind)


def _of_scalar(kind: types.Type) -> st.SearchStrategy[Any]:
    match kind:
        case types.IntType():
            return st.integers(kind.ge, kind.le)
        case types.FloatType():
            return _floats(kind)
        case types.StrType():
            return _texts(kind)
        case types.LiteralType():
            return st.sampled_from(kind.values)
        case types.EnumType():
            return st.sampled_from(list(kind.cls))
        case types.BoolType():
            return st.booleans()
        case types.NoneType():
            return st.none()
    raise NotImplementedError(f"no strategy for {kind}; add one here")


def _texts(kind: types.StrType) -> st.SearchStrategy[str]:
    if kind.max_length is None and kind.pattern is not None:
        return st.from_regex(kind.pattern, fullmatch=True)
    drawable = st.characters(exclude_categories=("Cs", "Cc"), include_characters="\t\n")
    return st.text(drawable, max_size=40)


def _floats(kind: types.FloatType) -> st.SearchStrategy[float]:
    least = kind.gt if kind.gt is not None else kind.ge
    drawn = st.floats(least, kind.le, allow_nan=False, allow_infinity=False)
    return drawn if kind.gt is None else drawn.filter(lambda x: x > (kind.gt or 0))


def _unique(items: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    return list({key(item): item for item in items}.values())


def _arrange_window(values: dict[str, Any]) -> dict[str, Any]:
    values["dur_s"] = values["dur_s"] or 60.0
    values["valid_s"] = min(values["valid_s"], values["dur_s"])
    return values


def _arrange_measured(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def arrange(values: dict[str, Any]) -> dict[str, Any]:
        values = _arrange_window(values)
        if any(values[name] is None for name in names):
            values["valid_s"] = 0.0
        if values["valid_s"] == 0:
            values |= dict.fromkeys(names)
            values |= {"laf_hist": []} if "laf_hist" in values else {}
        return values

    return arrange


def _arrange_footfall(values: dict[str, Any]) -> dict[str, Any]:
    values["dur_s"] = max(values["dur_s"], float(MIN_FOOTFALL_WINDOW_S))
    values = _arrange_window(values)
    lines = _unique(values["lines"], lambda line: line.line)
    blind = values["valid_s"] == 0 or any(None in (line.a_to_b, line.b_to_a) for line in lines)
    if blind:
        values |= {"valid_s": 0.0, "occupancy": None}
        lines = [msgspec.structs.replace(line, a_to_b=None, b_to_a=None) for line in lines]
    return values | {"lines": lines}


def _arrange_event(values: dict[str, Any]) -> dict[str, Any] | None:
    body = values["body"]
    if isinstance(body, Lost) and body.last < body.first:
        return None
    if isinstance(body, Validation) and body.to_t <= body.from_t:
        return None
    return values | {"dur_s": 0.0, "valid_s": 0.0}


def _arrange_line(values: dict[str, Any]) -> dict[str, Any] | None:
    return None if (values["x1"], values["y1"]) == (values["x2"], values["y2"]) else values


def _arrange_geometry(values: dict[str, Any]) -> dict[str, Any] | None:
    if values["zone"] is not None and len(set(values["zone"])) < 3:
        return None
    return values | {"lines": _unique(values["lines"], lambda line: line.line)}


def _arrange_windows(values: dict[str, Any]) -> dict[str, Any]:
    def nearest(seen: int) -> int:
        return min(WINDOW_LENGTHS_S, key=lambda length: math.fabs(length - seen))

    return {
        name: max(nearest(seen), MIN_FOOTFALL_WINDOW_S) if name == "footfall_s" else nearest(seen)
        for name, seen in values.items()
    }


_ARRANGE: dict[type, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    **{kind: _arrange_measured(*names) for kind, names in MEASURED.items()},
    FootfallRecord: _arrange_footfall,
    EventRecord: _arrange_event,
    Line: _arrange_line,
    Geometry: _arrange_geometry,
    Windows: _arrange_windows,
}
