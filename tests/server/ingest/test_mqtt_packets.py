"""Bytes to packets and back: in any pieces, and whatever comes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.mqtt import packets
from server.ingest.mqtt.packets import Kind, Malformed, Packet, Publish, Stream

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TOPICS = TEXT.filter(bool)
MIDS = st.integers(1, 65_535)


def publishes(data: bytes, *cuts: int) -> list[Publish]:
    stream, found = Stream(), []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        found += stream.feed(data[begin:end])
    assert all(isinstance(packet, Publish) for packet in found)
    return [packet for packet in found if isinstance(packet, Publish)]


@given(
    st.lists(
        st.tuples(TOPICS, st.binary(max_size=300), MIDS, st.lists(st.tuples(TEXT, TEXT))),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_messages_come_whole_in_whatever_pieces_the_bytes_come(
    sent: list[tuple[str, bytes, int, list[tuple[str, str]]]], data: st.DataObject
) -> None:
    raw = b"".join(
        packets.publish(mid, topic, payload, expiry_s=9, user_properties=beside)
        for topic, payload, mid, beside in sent
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    found = publishes(raw, *cuts)
    assert [(p.topic, p.payload, p.mid, list(p.properties)) for p in found] == sent


@given(st.binary(max_size=400))
def test_whatever_comes_it_is_packets_or_malformed(raw: bytes) -> None:
    try:
        for packet in Stream(max_bytes=1000).feed(raw):
            if isinstance(packet, Publish):
                list(packet.properties)
    except Malformed:
        pass


@given(st.binary(max_size=60))
def test_whatever_comes_as_an_answer_is_read_or_malformed(body: bytes) -> None:
    for read in (packets.read_connack, packets.read_reasons, packets.read_puback):
        try:
            read(body)
        except Malformed:
            continue


@given(st.integers(0, 20_000))
def test_a_length_of_up_to_four_bytes_is_read(n: int) -> None:
    (found,) = publishes(packets.publish(7, "t", b"x" * n))
    assert len(found.payload) == n


def test_a_packet_longer_than_it_may_be_is_refused_before_it_is_read() -> None:
    head = packets.publish(7, "t", b"x" * 5000)[:3]
    with pytest.raises(Malformed, match=r"a packet of 50\d\d bytes; 4000 at most"):
        Stream(max_bytes=4000).feed(head)


@pytest.mark.parametrize(
    "raw",
    [
        bytes([0x34, 4, 0, 1]) + b"t\0",  # QoS 2
        bytes([0x32, 6, 0, 1]) + b"t\0\0\0",  # packet id 0
        bytes([0x32, 5, 0, 0, 0, 1, 0]),  # no topic
        bytes([0x32, 7, 0, 1]) + b"t\0\1\x09x",  # properties longer than the packet
        bytes([0x30, 2, 0, 9]),  # topic longer than the packet
        bytes([0x30, 4, 0, 1, 0xFF, 0]),  # topic not UTF-8
        bytes([0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1]),  # length of five bytes
    ],
    ids=["qos 2", "id 0", "no topic", "properties", "topic length", "utf-8", "length"],
)
def test_a_message_that_no_broker_may_send_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Stream().feed(raw)


def test_pubacks_go_in_one_piece() -> None:
    assert packets.pubacks([1, 258]) == bytes([0x40, 2, 0, 1, 0x40, 2, 1, 2])


def test_connack_says_what_the_broker_allows() -> None:
    body = bytes([1, 0, 8, 0x21, 0, 50, 0x27, 0, 1, 0, 0])
    found = packets.read_connack(body)
    assert found.session_present
    assert (found.reason, found.receive_maximum, found.maximum_packet_size) == (0, 50, 65_536)
    assert packets.read_connack(bytes([0, 0x87, 0])).receive_maximum == 65_535


def test_connect_asks_for_the_session_and_says_how_much_it_takes() -> None:
    (packet,) = Stream().feed(packets.connect("srv-ingest", 20, 3600, 1000))
    assert isinstance(packet, Packet)
    assert packet.kind == Kind.CONNECT
    assert packet.body[7] == 0  # no clean start
    assert struct.pack(">BI", 0x11, 3600) in packet.body
    assert struct.pack(">BH", 0x21, 1000) in packet.body
    assert packet.body.endswith(b"\0\x0asrv-ingest")
