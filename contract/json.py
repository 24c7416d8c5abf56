"""Strict JSON both ways: whatever is wrong with the bytes becomes one `DecodeError`."""

import math
import re
from typing import Any, TypeVar

import msgspec

from contract.errors import DecodeError
from contract.limits import MAX_PAYLOAD_BYTES

T = TypeVar("T")

# msgspec closes its messages with the JSON path: "Expected `int`, got `str` - at `$.low`".
_PATH = re.compile(r"^(?P<reason>.*?) - at `(?P<path>\$[^`]*)`$", re.DOTALL)
# Our own checks in `__post_init__` begin with the field's name.
_NAMED = re.compile(r"^(?P<field>[a-z_][a-z0-9_.]*) ")
# msgspec names a missing or unknown field only within the reason.
_QUOTED_FIELD = re.compile(r"field `(?P<field>[^`]{1,64})`")

_ENCODER = msgspec.json.Encoder()


def decode(decoder: "msgspec.json.Decoder[T]", payload: bytes, at: str = "payload") -> T:
    """Decode `payload`, raising nothing but `DecodeError`.

    Args:
        at: Prefix of the field path, such as `records[3]`.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise DecodeError(at, f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are allowed")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _located(str(error), at) from None
    except msgspec.DecodeError as error:
        raise DecodeError(at, f"not JSON: {error}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(at, f"not JSON: {type(error).__name__}: {error}") from None


def encode(message: Any) -> bytes:
    """`message` as JSON bytes.

    Raises `DecodeError` when a number in it is not finite: JSON has no NaN, and msgspec would write
    null in its place, which means "not measured"; and when a value has no JSON form at all.
    """
    _refuse_not_finite(message, "")
    try:
        return _ENCODER.encode(message)
    except (TypeError, ValueError, OverflowError) as error:
        raise DecodeError("payload", f"can't be written as JSON: {error}") from None


def _refuse_not_finite(value: Any, at: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DecodeError(at or "payload", f"{value} is not a number that can be measured")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _refuse_not_finite(getattr(value, name), f"{at}.{name}" if at else name)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_not_finite(item, f"{at}[{index}]")


def _located(message: str, at: str) -> DecodeError:
    match = _PATH.match(message)
    reason, path = (match["reason"], match["path"]) if match else (message, "$")
    field = path.removeprefix("$").removeprefix(".")
    named = _QUOTED_FIELD.search(reason) or _NAMED.match(reason)
    if named and not field.endswith(named["field"]):
        field = f"{field}.{named['field']}" if field else named["field"]
    if at == "payload":
        return DecodeError(field or at, reason)
    return DecodeError(f"{at}.{field}" if field else at, reason)
