"""What becomes of a message before the database sees it."""

import json
from typing import Any

import pytest

from contract import topics
from contract.batch import BatchRange
from contract.messages import Status
from contract.streams import Stream
from server.ingest import decode
from server.ingest.decode import decode_message
from server.ingest.inbound import (
    LedgerKey,
    Message,
    Part,
    RecordsPart,
    StatusPart,
    WalkTestPart,
)
from tests.server.ingest.testlab import BOOT, NODE, NOW_MS, SPOOL, Wire


def decoded(message: Message) -> RecordsPart:
    part = decode_message(message)
    assert isinstance(part, RecordsPart)
    return part


def spoiled(message: Message, *spoil: tuple[int, dict[str, Any]]) -> Message:
    """`message` with fields of some records overwritten."""
    batch = json.loads(message.payload)
    for index, fields in spoil:
        batch["records"][index].update(fields)
    message.payload = json.dumps(batch).encode()
    return message


def test_a_batch_keeps_its_line_and_header(wire: Wire) -> None:
    part = decoded(wire.lights(4, 5, low=3, nonce="n" * 16))

    assert part.key == LedgerKey(NODE, SPOOL, Stream.LIGHT)
    assert (part.low, part.boot, part.nonce) == (3, BOOT, "n" * 16)
    assert [record.seq for record in part.records] == [4, 5]


def test_a_bad_record_becomes_a_letter_and_its_neighbours_stay(wire: Wire) -> None:
    part = decoded(spoiled(wire.lights(1, 2, 3), (1, {"lux_p50": "bright"})))

    assert [record.seq for record in part.records] == [1, 3]
    (letter,) = part.letters
    assert (letter.first, letter.last, letter.spool, letter.boot) == (2, 2, SPOOL, BOOT)
    assert "lux_p50" in letter.reason


def test_an_illegible_seq_is_found_by_elimination(wire: Wire) -> None:
    part = decoded(spoiled(wire.lights(1, 2, 3), (1, {"seq": "two"})))

    (letter,) = part.letters
    assert (letter.first, letter.last) == (2, 2)


def test_an_illegible_seq_stays_open_where_the_range_leaves_a_choice(wire: Wire) -> None:
    # 3 is missing in the batch itself, so the illegible one may be 2 or 3.
    part = decoded(spoiled(wire.lights(1, 2, 4), (1, {"seq": None})))

    (letter,) = part.letters
    assert (letter.first, letter.last) == (None, None)


def test_an_unreadable_batch_is_accounted_for_by_its_properties(wire: Wire) -> None:
    properties = BatchRange(SPOOL, 7, 9, 5).as_user_properties()

    part = decoded(wire.raw(b"\xff not json", properties=properties))

    assert (part.key, part.low) == (LedgerKey(NODE, SPOOL, Stream.LIGHT), 5)
    assert not part.records
    (letter,) = part.letters
    assert (letter.first, letter.last) == (7, 9)


@pytest.mark.parametrize(
    "properties",
    [
        [],
        [("spool", SPOOL), ("first", "1")],
        [("spool", SPOOL), ("first", "1"), ("last", "1000000"), ("low", "1")],
    ],
    ids=["none", "incomplete", "absurdly wide"],
)
def test_an_unreadable_batch_without_a_range_is_kept_all_the_same(
    wire: Wire, properties: list[tuple[str, str]]
) -> None:
    part = decode_message(wire.raw(b"{}", properties=properties))

    assert type(part) is Part
    (letter,) = part.letters
    assert (letter.node_id, letter.stream, letter.first) == (NODE, Stream.LIGHT, None)


def test_low_never_writes_off_what_arrives_with_it(wire: Wire) -> None:
    message = wire.lights(5, 6)
    batch = json.loads(message.payload)
    batch["low"] = 1_000_000
    message.payload = json.dumps(batch).encode()

    assert decoded(message).low == 5


def test_status_and_walk_test_are_told_apart(wire: Wire) -> None:
    status = b'{"v":1,"state":"online","boot":"%s","rev":"1","spool":"%s"}' % (
        BOOT.encode(),
        SPOOL.encode(),
    )
    walk = b'{"v":1,"t":%d,"dur_s":10,"lines":[]}' % NOW_MS

    found = decode_message(wire.raw(status, topics.STATUS))
    assert isinstance(found, StatusPart)
    assert found.status == Status(v=1, state="online", boot=BOOT, rev="1", spool=SPOOL)
    assert isinstance(decode_message(wire.raw(walk, topics.WALKTEST)), WalkTestPart)


@pytest.mark.parametrize(
    "topic",
    ["msl/v1/srv-ingest/up/light", "msl/v1/A/up/light", "msl/v2/lamp-01/up/light", "other"],
)
def test_a_topic_of_nobody_is_none(wire: Wire, topic: str) -> None:
    message = wire.lights(1)
    message.topic = topic
    assert decode_message(message) is None


def test_a_decoder_that_trips_makes_a_letter(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def trip(*_: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(decode, "decode_batch", trip)

    part = decoded(wire.lights(1, 2))

    assert [letter.reason for letter in part.letters] == ["decoder failed: KeyError"]
    assert [(letter.first, letter.last) for letter in part.letters] == [(1, 2)]
    assert "decoder failed on a payload" in caplog.text
