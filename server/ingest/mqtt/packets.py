"""MQTT 5.0 packets as bytes (OASIS standard, 7 March 2019): what we send, and what we take.

Pure: no socket, no clock. Section numbers are the standard's.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import overload

MAX_REMAINING = 268_435_455
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
PUBACKS = struct.Struct(">BBH")

# Properties that we read or write, by identifier (2.2.2.2).
MESSAGE_EXPIRY = 0x02
SESSION_EXPIRY = 0x11
RECEIVE_MAXIMUM = 0x21
MAXIMUM_PACKET_SIZE = 0x27
REASON_STRING = 0x1F
SERVER_KEEP_ALIVE = 0x13
USER_PROPERTY = 0x26

_BYTE = frozenset({0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A})
_TWO = frozenset({0x13, 0x21, 0x22, 0x23})
_FOUR = frozenset({0x02, 0x11, 0x18, 0x27})
_VARIABLE = frozenset({0x0B})
_TEXT = frozenset({0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F})
_BINARY = frozenset({0x09, 0x16})


class Kind(IntEnum):
    """Control packet types (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Malformed(ValueError):
    """What came is not MQTT 5, or nothing that a broker may send us."""


class UserProperties(Sequence[tuple[str, str]]):
    """The user properties of a PUBLISH, read only when somebody asks.

    Raises:
        Malformed: On reading, when the bytes are no properties.
    """

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._read: list[tuple[str, str]] | None = None

    def _pairs(self) -> list[tuple[str, str]]:
        if self._read is None:
            self._read = [
                value
                for identifier, value in read_properties(self._raw)
                if identifier == USER_PROPERTY and isinstance(value, tuple)
            ]
        return self._read

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, str]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | list[tuple[str, str]]:
        return self._pairs()[index]

    def __len__(self) -> int:
        return len(self._pairs())


@dataclass(slots=True)
class Packet:
    """One packet but for PUBLISH: its kind, the low bits of its first byte, and its rest."""

    kind: int
    flags: int
    body: bytes


@dataclass(slots=True)
class Publish:
    """A message from the broker; `mid` is 0 at QoS 0."""

    topic: str
    payload: bytes
    mid: int
    properties: UserProperties


class Stream:
    """Bytes in, packets out, in whatever pieces the bytes come.

    Args:
        max_bytes: A packet that says it is longer is refused before it is read.
    """

    def __init__(self, max_bytes: int = MAX_REMAINING) -> None:
        self._rest = b""
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[Packet | Publish]:
        """Packets that are whole now; raises `Malformed`, after which the stream is no use."""
        found_all: list[Packet | Publish] = []
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 2:
            length, body = data[at + 1], at + 2
            if length > 127:
                found = _length(data, at + 1)
                if found is None:
                    break
                length, body = found
            if length > self._max_bytes:
                raise Malformed(f"a packet of {length} bytes; {self._max_bytes} at most")
            if end - body < length:
                break
            first = data[at]
            at = body + length
            if first >> 4 == 3:
                found_all.append(_publish(first, data, body, at))
            else:
                found_all.append(Packet(first >> 4, first & 15, data[body:at]))
        self._rest = data[at:]
        return found_all


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """A variable byte integer (1.5.5) and where it ends; None when it isn't whole yet."""
    value = shift = 0
    for index in range(at, min(at + 4, len(data))):
        byte = data[index]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, index + 1
        shift += 7
    if len(data) - at >= 4:
        raise Malformed("a length of more than 4 bytes")
    return None


def _publish(first: int, data: bytes, at: int, end: int) -> Publish:
    """3.3; by position, since this runs for every message."""
    try:
        topic_n = data[at] << 8 | data[at + 1]
        at += 2
        topic = data[at : at + topic_n].decode()
        at += topic_n
        mid = 0
        qos = first >> 1 & 3
        if qos == 1:
            mid = data[at] << 8 | data[at + 1]
            at += 2
        elif qos:
            raise Malformed(f"a message at QoS {qos}; we subscribe at 1")
        properties_n = data[at]
        at += 1
        if properties_n > 127:
            found = _length(data, at - 1)
            if found is None:
                raise Malformed("properties without a length")
            properties_n, at = found
    except (IndexError, UnicodeDecodeError) as error:
        raise Malformed(f"a message that can't be read: {error}") from error
    payload = at + properties_n
    if payload > end or (qos and not mid) or not topic:
        raise Malformed("a message without topic or packet id, or shorter than its properties")
    return Publish(topic, data[payload:end], mid, UserProperties(data[at:payload]))


def read_properties(raw: bytes) -> Iterator[tuple[int, int | str | bytes | tuple[str, str]]]:
    """Identifier and value of each property (2.2.2); raises `Malformed`."""
    at = 0
    try:
        while at < len(raw):
            identifier = raw[at]
            at += 1
            if identifier in _BYTE:
                yield identifier, raw[at]
                at += 1
            elif identifier in _TWO:
                yield identifier, _U16.unpack_from(raw, at)[0]
                at += 2
            elif identifier in _FOUR:
                yield identifier, _U32.unpack_from(raw, at)[0]
                at += 4
            elif identifier in _VARIABLE:
                found = _length(raw, at)
                if found is None:
                    raise Malformed("a property that ends too early")
                value, at = found
                yield identifier, value
            elif identifier in _TEXT or identifier in _BINARY:
                part, at = _binary(raw, at)
                yield identifier, part.decode() if identifier in _TEXT else part
            elif identifier == USER_PROPERTY:
                name, at = _binary(raw, at)
                text, at = _binary(raw, at)
                yield identifier, (name.decode(), text.decode())
            else:
                raise Malformed(f"property {identifier:#x}, which MQTT 5 doesn't have")
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise Malformed(f"a property that can't be read: {error}") from error


def _binary(raw: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _U16.unpack_from(raw, at)
    at += 2
    if at + length > len(raw):
        raise Malformed("a property that ends too early")
    return raw[at : at + length], at + length


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's answer to CONNECT (3.2)."""

    session_present: bool
    reason: int
    receive_maximum: int = 65_535
    maximum_packet_size: int = MAX_REMAINING
    keepalive_s: int | None = None
    said: str = ""


def read_connack(body: bytes) -> Connack:
    """Raises `Malformed`."""
    if len(body) < 3:
        raise Malformed("a CONNACK that ends too early")
    found = _length(body, 2)
    properties = dict(read_properties(body[found[1] :])) if found else {}
    return Connack(
        session_present=bool(body[0] & 1),
        reason=body[1],
        receive_maximum=_number(properties, RECEIVE_MAXIMUM, 65_535),
        maximum_packet_size=_number(properties, MAXIMUM_PACKET_SIZE, MAX_REMAINING),
        keepalive_s=_number(properties, SERVER_KEEP_ALIVE, 0) or None,
        said=str(properties.get(REASON_STRING, "")),
    )


def read_reasons(body: bytes) -> tuple[int, list[int]]:
    """Packet id and reason codes of a SUBACK (3.9) or UNSUBACK (3.11); raises `Malformed`."""
    if len(body) < 3:
        raise Malformed("a SUBACK that ends too early")
    found = _length(body, 2)
    if found is None or found[0] + found[1] > len(body):
        raise Malformed("a SUBACK without its properties")
    return _U16.unpack_from(body)[0], list(body[found[0] + found[1] :])


# Why a broker ends a connection (3.14.2.1): those that tell somebody what to do.
_REASONS = {
    0x81: "malformed packet",
    0x82: "protocol error",
    0x87: "not authorized",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "session taken over: another process uses this certificate",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
}


def reason_text(reason: int) -> str:
    """A reason code (2.4) in words where we have them."""
    said = _REASONS.get(reason)
    return f"{reason:#x}, {said}" if said else f"{reason:#x}"


def read_puback(body: bytes) -> tuple[int, int]:
    """Packet id and reason code (3.4); without a code it is success. Raises `Malformed`."""
    if len(body) < 2:
        raise Malformed("a PUBACK that ends too early")
    return _U16.unpack_from(body)[0], body[2] if len(body) > 2 else 0


def connect(
    client_id: str,
    keepalive_s: int,
    session_expiry_s: int,
    receive_maximum: int,
    max_packet_bytes: int = MAX_REMAINING,
) -> bytes:
    """CONNECT without a clean start (3.1): what the session holds for us comes first.

    A message larger than `max_packet_bytes` is one that the broker throws away (3.1.2.11.4).
    """
    properties = (
        bytes([SESSION_EXPIRY]) + _U32.pack(session_expiry_s)
        + bytes([RECEIVE_MAXIMUM]) + _U16.pack(receive_maximum)
        + bytes([MAXIMUM_PACKET_SIZE]) + _U32.pack(max_packet_bytes)
    )  # fmt: skip
    body = _text("MQTT") + bytes([5, 0]) + _U16.pack(keepalive_s)
    return _packet(Kind.CONNECT << 4, body + _sized(properties) + _text(client_id))


def subscribe(mid: int, filters: Iterable[str]) -> bytes:
    """SUBSCRIBE at QoS 1 (3.8)."""
    wanted = b"".join(_text(each) + b"\x01" for each in filters)
    return _packet(Kind.SUBSCRIBE << 4 | 2, _U16.pack(mid) + b"\0" + wanted)


def unsubscribe(mid: int, filters: Iterable[str]) -> bytes:
    """UNSUBSCRIBE (3.10)."""
    unwanted = b"".join(_text(each) for each in filters)
    return _packet(Kind.UNSUBSCRIBE << 4 | 2, _U16.pack(mid) + b"\0" + unwanted)


def publish(
    mid: int,
    topic: str,
    payload: bytes,
    *,
    expiry_s: int | None = None,
    user_properties: Iterable[tuple[str, str]] = (),
) -> bytes:
    """PUBLISH at QoS 1, not retained (3.3)."""
    properties = b"" if expiry_s is None else bytes([MESSAGE_EXPIRY]) + _U32.pack(expiry_s)
    for name, value in user_properties:
        properties += bytes([USER_PROPERTY]) + _text(name) + _text(value)
    head = _text(topic) + _U16.pack(mid) + _sized(properties)
    return _packet(Kind.PUBLISH << 4 | 2, head + payload)


def pubacks(mids: Iterable[int]) -> bytes:
    """A PUBACK for each, in one piece (3.4)."""
    pack = PUBACKS.pack
    return b"".join([pack(Kind.PUBACK << 4, 2, mid) for mid in mids])


PINGREQ = bytes([Kind.PINGREQ << 4, 0])
DISCONNECT = bytes([Kind.DISCONNECT << 4, 0])


def disconnect(reason: int) -> bytes:
    """DISCONNECT that says what the other side did wrong (3.14)."""
    return bytes([Kind.DISCONNECT << 4, 1, reason])


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _variable(len(body)) + body


def _variable(value: int) -> bytes:
    if value > MAX_REMAINING:
        raise ValueError(f"a packet of {value} bytes; {MAX_REMAINING} at most")
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def _sized(properties: bytes) -> bytes:
    return _variable(len(properties)) + properties


def _text(text: str) -> bytes:
    raw = text.encode()
    return _U16.pack(len(raw)) + raw


def _number(properties: Mapping[int, object], identifier: int, otherwise: int) -> int:
    value = properties.get(identifier, otherwise)
    return value if isinstance(value, int) else otherwise
