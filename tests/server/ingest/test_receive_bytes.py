"""The receiver against a broker that breaks every rule, one at a time."""

import contextlib
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from contract import topics
from contract.limits import SESSION_EXPIRY_S
from contract.streams import Stream
from server.identity import ca
from server.identity.ca import Credential, CredentialFiles
from server.ingest import receive
from server.ingest.broker_access import BrokerAccess
from server.ingest.inbound import Message
from server.ingest.metrics import Metrics
from server.ingest.mqtt import packets
from server.ingest.mqtt.packets import Kind, Packet
from server.ingest.receive import MqttReceiver
from tests.server.ingest.byte_broker import CONNACK, PINGRESP, ByteBroker, Peer, Script

TOPIC = topics.up("lamp-01", Stream.LIGHT)
Meet = Callable[..., AbstractContextManager["Meeting"]]


class Meeting:
    """A receiver on its way to a scripted broker."""

    def __init__(self, broker: ByteBroker, receiver: MqttReceiver, metrics: Metrics) -> None:
        self.broker, self.receiver, self._metrics = broker, receiver, metrics

    def take(self, n: int) -> list[Message]:
        found: list[Message] = []
        deadline_s = time.monotonic() + 60
        while len(found) < n:
            assert time.monotonic() < deadline_s, f"only {len(found)} of {n} came"
            message = self.receiver.take(0.1)
            if message is not None:
                found.append(message)
        return found

    def value(self, name: str) -> float:
        return self._metrics.registry.get_sample_value(f"msl_ingest_{name}") or 0.0


@pytest.fixture
def meet(
    authority: Credential,
    certificate_dir: Path,
    client_certificate: Callable[[str], CredentialFiles],
) -> Meet:
    root = authority.save(certificate_dir)
    server = ca.issue_server(authority, "byte-broker").save(certificate_dir)
    own = client_certificate("srv-ingest-light")

    @contextmanager
    def meeting(
        *scripts: Script, receive_maximum: int = 100, silence_s: float = 60.0
    ) -> Iterator[Meeting]:
        metrics = Metrics()
        with ByteBroker(server, *scripts) as broker:
            access = BrokerAccess(
                host="127.0.0.1", port=broker.port, ca_file=root.certificate,
                cert_file=own.certificate, key_file=own.key,
            )  # fmt: skip
            with MqttReceiver(
                access, kinds=("light",), receive_maximum=receive_maximum, metrics=metrics,
                silence_s=silence_s,
            ) as receiver:  # fmt: skip
                yield Meeting(broker, receiver, metrics)

    return meeting


def message(mid: int, payload: bytes = b"{}") -> bytes:
    return packets.publish(mid, TOPIC, payload, user_properties=[("spool", "aaaaaaaa")])


def messages(*mids: int) -> bytes:
    return b"".join(message(mid, b"%d" % mid) for mid in mids)


def mids(found: Sequence[Message]) -> list[int]:
    return [each.mid for each in found]


def test_connect_keeps_the_session_and_says_what_we_take(meet: Meet) -> None:
    heard: list[Packet] = []
    with meet(lambda peer: heard.append(peer.greet()), receive_maximum=77) as met:
        met.broker.finish()
    (connect,) = heard
    assert connect.body[7] == 0  # no clean start
    properties = dict(packets.read_properties(connect.body[11 : 11 + connect.body[10]]))
    assert properties == {
        packets.SESSION_EXPIRY: SESSION_EXPIRY_S,
        packets.RECEIVE_MAXIMUM: 77,
        packets.MAXIMUM_PACKET_SIZE: receive.MAX_PACKET_BYTES,
    }


def test_a_byte_at_a_time_is_as_good_as_all_at_once(meet: Meet) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.say(*(bytes([byte]) for byte in messages(1, 2, 3)))
        peer.say(messages(*range(4, 64)))
        assert peer.hear_pubacks(63) == list(range(1, 64))

    with meet(script) as met:
        found = met.take(63)
        assert [m.payload for m in found] == [b"%d" % mid for mid in range(1, 64)]
        assert list(found[0].properties) == [("spool", "aaaaaaaa")]
        met.receiver.acknowledge(found)
        met.broker.finish()


def test_what_follows_connack_in_one_piece_is_not_lost(meet: Meet) -> None:
    def script(peer: Peer) -> None:
        peer.hear(Kind.CONNECT)
        peer.say(CONNACK + messages(1, 2))  # of the session, before SUBACK
        peer.answer_subscription([1])

    with meet(script) as met:
        assert mids(met.take(2)) == [1, 2]
        met.broker.finish()


@pytest.mark.parametrize(
    "bad",
    [
        bytes([0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        bytes([0x30, 0xFF, 0xFF, 0xFF, 0x7F]),
        bytes([0x34, 6, 0, 1, 0x74, 0, 1, 0]),
        bytes([0x32, 8, 0, 0, 0, 9, 3, 0x23, 0, 1]),
        bytes([0x82, 3, 0, 1, 0]),
        bytes([0x40, 2, 0, 99]),
        bytes([0x90, 5, 0, 1, 0, 1, 1]),
    ],
    ids=[
        "length of 5 bytes", "256 MiB", "qos 2", "topic alias", "SUBSCRIBE", "PUBACK of nothing",
        "too many answers",
    ],
)  # fmt: skip
def test_what_no_broker_may_say_ends_the_connection_and_another_follows(
    meet: Meet, bad: bytes
) -> None:
    def rude(peer: Peer) -> None:
        peer.greet()
        peer.say(messages(1) + bad)
        peer.hear_end()

    def good(peer: Peer) -> None:
        peer.greet()
        peer.say(messages(1))
        assert peer.hear_pubacks(1) == [1]

    with meet(rude, good) as met:
        wait_for(lambda: met.value("watchdog_restarts_total") == 1)
        wait_for(lambda: met.receiver.epoch == 2)
        met.receiver.acknowledge(met.take(1))
        met.broker.finish()


def test_an_acknowledgement_never_goes_to_a_later_connection(meet: Meet) -> None:
    def first(peer: Peer) -> None:
        peer.greet()
        peer.say(messages(1, 2))
        assert peer.hear_pubacks(1) == [1]

    def second(peer: Peer) -> None:
        peer.greet()
        peer.say(messages(7))
        assert peer.hear_pubacks(1) == [7]

    with meet(first, second) as met:
        old = met.take(2)
        met.receiver.acknowledge(old[:1])
        (new,) = met.take(1)
        met.receiver.acknowledge([*old, new])
        met.broker.finish()


def test_a_message_sent_twice_is_taken_and_acknowledged_once(meet: Meet) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        again = bytearray(messages(1))
        again[0] |= 8  # DUP, which MQTT 5 allows on a new connection only
        peer.say(messages(1), bytes(again), messages(2))
        assert peer.hear_pubacks(2) == [1, 2]
        peer.say(messages(1))  # answered, so the number is free again
        assert peer.hear_pubacks(1) == [1]

    with meet(script) as met:
        found = met.take(2)
        assert mids(found) == [1, 2]
        met.receiver.acknowledge(found)
        met.receiver.acknowledge(met.take(1))
        met.broker.finish()


def test_a_broker_that_sends_ahead_without_end_is_left(meet: Meet) -> None:
    said: list[object] = []

    def flood(peer: Peer) -> None:
        peer.greet()
        peer.say(messages(*range(1, 40)))
        said.extend(peer.hear_end())

    with meet(flood, Peer.greet, receive_maximum=10) as met:
        met.broker.finish()
        assert met.value("watchdog_restarts_total") == 1
    assert said == [Packet(Kind.DISCONNECT, 0, bytes([0x93]))]


def test_a_broker_that_answers_no_ping_is_left(
    meet: Meet, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[object] = []

    def mute(peer: Peer) -> None:
        peer.greet()
        said.extend(peer.hear_end())

    def again(peer: Peer) -> None:
        with contextlib.suppress(EOFError, OSError):  # a busy machine's silence
            peer.greet()

    with meet(mute, again, silence_s=5.0) as met:
        met.broker.finish()
        assert met.value("watchdog_restarts_total") >= 1
    assert Packet(Kind.PINGREQ, 0, b"") in said
    assert "nothing from the broker for" in caplog.text


def test_a_keep_alive_that_the_broker_sets_is_kept(
    meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "KEEPALIVE_S", 1000)

    def hurried(peer: Peer) -> None:
        peer.hear(Kind.CONNECT)
        peer.say(bytes([0x20, 6, 0, 0, 3, 0x13, 0, 2]))
        peer.answer_subscription([1])
        for _ in range(2):
            assert peer.hear_any() == Packet(Kind.PINGREQ, 0, b"")
            peer.say(PINGRESP)

    with meet(hurried, silence_s=1000) as met:
        met.broker.finish()
        assert met.receiver.epoch == 1


@pytest.mark.parametrize(
    ("reason", "text"),
    [(0x8E, "0x8e, session taken over: another process uses"), (0x8B, "0x8b, server shutting")],
)
def test_why_the_broker_ends_the_connection_is_said(
    meet: Meet, caplog: pytest.LogCaptureFixture, reason: int, text: str
) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.say(packets.disconnect(reason))
        peer.hear_end()

    with meet(script, Peer.greet) as met:
        met.broker.finish()
    assert text in caplog.text


def test_a_refused_subscription_is_shown_and_asked_for_again(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receive, "RESUBSCRIBE_S", 0.2)
    mended = threading.Event()

    def script(peer: Peer) -> None:
        asked = peer.greet(reasons=[0x87])
        assert asked.kind == Kind.CONNECT
        assert mended.wait(60)
        again = peer.answer_subscription([0x87])
        assert again.body.endswith(b"up/light\x01")
        peer.answer_subscription([1])
        peer.say(messages(1))

    with meet(script) as met:
        wait_for(lambda: met.value("refused_subscriptions") == 1)
        mended.set()
        met.take(1)
        assert met.value("refused_subscriptions") == 0
        assert met.receiver.epoch == 1
        met.broker.finish()
    assert "refused the subscription to light with reason 0x87, not authorized" in caplog.text


def test_a_refused_connection_says_why_and_is_tried_again(
    meet: Meet, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(peer: Peer) -> None:
        peer.hear(Kind.CONNECT)
        text = b"banned for a day"
        peer.say(bytes([0x20, 6 + len(text), 0, 0x8A, 3 + len(text), 0x1F, 0, len(text)]) + text)

    with meet(refuse, Peer.greet) as met:
        met.broker.finish()
    assert "refused the connection with reason 0x8a: banned for a day" in caplog.text


@pytest.mark.parametrize("said", [b"", CONNACK[:3], messages(1)], ids=["end", "half", "message"])
def test_a_broker_that_does_not_answer_connect_is_tried_again(meet: Meet, said: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.hear(Kind.CONNECT)
        peer.say(said)

    with meet(script, Peer.greet) as met:
        met.broker.finish()
        wait_for(lambda: met.receiver.epoch == 1)


def test_a_broker_that_takes_too_little_for_an_answer_is_not_used(
    meet: Meet, caplog: pytest.LogCaptureFixture
) -> None:
    def script(peer: Peer) -> None:
        peer.hear(Kind.CONNECT)
        peer.say(bytes([0x20, 8, 0, 0, 5, 0x27]) + struct.pack(">I", 100))

    with meet(script, Peer.greet) as met:
        met.broker.finish()
    assert "the broker takes packets of 100 bytes" in caplog.text


def test_answers_wait_for_the_broker_s_own_receive_maximum(meet: Meet) -> None:
    used: list[int] = []

    def script(peer: Peer) -> None:
        peer.hear(Kind.CONNECT)
        peer.say(bytes([0x20, 6, 0, 0, 3, 0x21, 0, 2]))
        peer.answer_subscription([1])
        for _ in range(5):
            answer = peer.hear_any()
            assert isinstance(answer, packets.Publish)
            used.append(answer.mid)
            if len(used) >= 2:
                peer.say(bytes([0x40, 2, 0, used[-2]]))

    with meet(script) as met:
        wait_for(lambda: met.receiver.connected)
        for _ in range(5):
            met.receiver.publish(topics.ack("lamp-01", Stream.LIGHT), b"{}")
        met.broker.finish()
        assert met.receiver.epoch == 1
    assert len(set(used)) == 2  # each packet id again only after its answer was taken


def wait_for(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.01)
