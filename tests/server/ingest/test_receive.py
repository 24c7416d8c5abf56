"""The receiver against a real Mosquitto: nothing lost, nothing answered for another connection."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract import topics
from contract.json import encode
from contract.messages import Ack
from contract.streams import Stream
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from server.ingest import receive
from server.ingest.broker_access import BrokerAccess, BrokerFilesUnusable, NoClientName
from server.ingest.inbound import Message
from server.ingest.metrics import Metrics
from server.ingest.receive import KINDS, MqttReceiver
from tests.server.ingest.mqtt_node import MqttNode
from tests.server.ingest.testlab import NODE, SPOOL, Wire

pytestmark = pytest.mark.mqtt

Issue = Callable[[str], CredentialFiles]


class Bench:
    """A broker, an ingester's receiver as often as wanted, and a node."""

    def __init__(self, broker: Broker, issue: Issue) -> None:
        self.broker = broker
        self._issue = issue
        self.metrics = Metrics()

    @contextmanager
    def receiver(
        self, kinds: Sequence[str] = KINDS, receive_maximum: int = 100, silence_s: float = 60
    ) -> Iterator[MqttReceiver]:
        files = self._issue("srv-ingest")
        access = BrokerAccess(
            host="127.0.0.1",
            port=self.broker.port,
            ca_file=self.broker.ca_file,
            cert_file=files.certificate,
            key_file=files.key,
        )
        with MqttReceiver(
            access,
            kinds=kinds,
            receive_maximum=receive_maximum,
            metrics=self.metrics,
            silence_s=silence_s,
        ) as receiver:
            wait_for(lambda: receiver.connected)
            time.sleep(0.1)  # the SUBACK
            yield receiver

    def node(self, session_expiry_s: int = 0) -> MqttNode:
        return MqttNode(NODE, self.broker, self._issue(NODE), session_expiry_s)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def bench(broker: Broker, client_certificate: Issue) -> Iterator[Bench]:
    found = Bench(broker, client_certificate)
    yield found
    # A session of its own for every test: take and answer what is left of this one's.
    with found.receiver() as receiver:
        receiver.acknowledge(take_all(receiver))


def wait_for(true: Callable[[], bool], timeout_s: float = 15) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.02)


def take(receiver: MqttReceiver, n: int, timeout_s: float = 10) -> list[Message]:
    found: list[Message] = []
    deadline_s = time.monotonic() + timeout_s
    while len(found) < n and time.monotonic() < deadline_s:
        message = receiver.take(0.1)
        if message is not None:
            found.append(message)
    return found


def take_all(receiver: MqttReceiver, quiet_s: float = 0.3) -> list[Message]:
    found: list[Message] = []
    while (message := receiver.take(quiet_s)) is not None:
        found.append(message)
    return found


def payloads(messages: Sequence[Message]) -> list[bytes]:
    return [message.payload for message in messages]


def test_a_message_comes_with_its_properties_and_time(bench: Bench, wire: Wire) -> None:
    sent = wire.lights(1, 2)
    before_ms = int(time.time() * 1000)
    with bench.receiver() as receiver, bench.node() as node:
        node.publish(sent)
        (found,) = take(receiver, 1)
        receiver.acknowledge([found])

    assert (found.topic, found.payload) == (sent.topic, sent.payload)
    assert list(found.properties) == list(sent.properties)
    assert before_ms <= found.received_ms <= int(time.time() * 1000)


def test_the_session_outlives_the_process_from_the_first_connect_on(
    bench: Bench, wire: Wire
) -> None:
    sent = [wire.lights(seq) for seq in range(1, 31)]
    with bench.receiver():
        pass
    with bench.node() as node:
        node.publish(*sent)
    with bench.receiver() as receiver:
        found = take(receiver, 30)
        receiver.acknowledge(found)
    assert payloads(found) == payloads(sent)


def test_the_broker_sends_as_far_ahead_as_the_receive_maximum(bench: Bench, wire: Wire) -> None:
    sent = [wire.lights(seq) for seq in range(1, 61)]
    with bench.receiver(receive_maximum=50) as receiver, bench.node() as node:
        node.publish(*sent)
        ahead = take_all(receiver)
        assert len(ahead) == 50
        receiver.acknowledge(ahead)
        receiver.acknowledge(take(receiver, 10))


def test_what_was_not_acknowledged_comes_again(bench: Bench, wire: Wire) -> None:
    sent = [wire.lights(seq) for seq in (1, 2, 3)]
    with bench.receiver() as receiver, bench.node() as node:
        node.publish(*sent)
        found = take(receiver, 3)
        receiver.acknowledge(found[:1])
        time.sleep(0.2)
    with bench.receiver() as receiver:
        assert payloads(take(receiver, 2)) == payloads(sent[1:])
        assert take_all(receiver) == []


def test_an_acknowledgement_of_an_older_connection_is_dropped(bench: Bench, wire: Wire) -> None:
    with bench.receiver() as receiver, bench.node() as node:
        node.publish(wire.lights(1))
        (old,) = take(receiver, 1)
        cut(receiver)
        (new,) = take(receiver, 1)
        assert new.payload == old.payload
        assert not receiver.is_current(old)

        receiver.acknowledge([old])
        time.sleep(0.2)
    with bench.receiver() as receiver:
        (again,) = take(receiver, 1)
        assert again.payload == old.payload


def test_what_an_old_connection_queued_is_forgotten(bench: Bench, wire: Wire) -> None:
    with bench.receiver() as receiver, bench.node() as node:
        node.publish(wire.lights(1), wire.lights(2))
        wait_for(lambda: receiver.waiting() == 2)
        cut(receiver)
        wait_for(lambda: bench.value("msl_ingest_connects_total", to="broker") == 2)
        # Sent again by the broker, and here once: memory stays bounded while a link flaps.
        time.sleep(0.3)
        assert receiver.waiting() == 2
        assert len(take_all(receiver)) == 2


def test_acknowledging_while_the_link_flaps_never_upsets_the_broker(
    bench: Bench, wire: Wire
) -> None:
    # paho would send a PUBACK queued during its reconnect before CONNECT, and be thrown out.
    sent = [wire.lights(seq) for seq in range(1, 201)]
    before_n = len(bench.broker.log.read_text())
    with bench.receiver(receive_maximum=500) as receiver, bench.node() as node:
        node.publish(*sent)
        seen: set[bytes] = set()
        for _ in range(3):
            for message in take(receiver, 40, timeout_s=3):
                seen.add(message.payload)
                receiver.acknowledge([message])
                if len(seen) % 40 == 20:
                    cut(receiver)
        while len(seen) < 200:
            messages = take(receiver, 10)
            assert messages, f"only {len(seen)} of 200 came"
            receiver.acknowledge(messages)
            seen |= set(payloads(messages))
        assert "rotocol error" not in bench.broker.log.read_text()[before_n:]


def test_a_broker_that_forgot_the_session_is_subscribed_anew(bench: Bench, wire: Wire) -> None:
    with bench.receiver() as receiver:
        bench.broker.kill()
        bench.broker.start()
        wait_for(lambda: bench.value("msl_ingest_connects_total", to="broker") == 2)
        time.sleep(0.2)
        with bench.node() as node:
            node.publish(wire.lights(1))
            receiver.acknowledge(take(receiver, 1))


def test_a_process_for_fewer_streams_ends_the_other_subscriptions(bench: Bench, wire: Wire) -> None:
    with bench.receiver():
        pass
    with bench.receiver(kinds=("noise",)) as receiver, bench.node() as node:
        node.publish(wire.lights(1), wire.message([wire.noise(1)], stream=Stream.NOISE))
        found = take_all(receiver)
        receiver.acknowledge(found)
    assert [message.topic.rpartition("/")[2] for message in found] == ["noise"]


def test_a_mistake_of_ours_costs_a_connection_and_not_the_thread(
    bench: Bench, wire: Wire, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    with bench.receiver() as receiver, bench.node() as node:
        with monkeypatch.context() as patched:
            patched.setattr(receiver, "_sort", fail)
            node.publish(wire.lights(1))
            wait_for(lambda: bench.value("msl_ingest_connects_total", to="broker") >= 2)
        (found,) = take(receiver, 1, timeout_s=60)
        receiver.acknowledge([found])
    assert "in a way that nobody foresaw" in caplog.text


def test_files_that_cannot_be_used_for_a_while_are_tried_again(
    bench: Bench, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def renewing(*_: Any) -> None:
        raise BrokerFilesUnusable("the key doesn't fit the certificate")

    with bench.receiver() as receiver, bench.node() as node:
        with monkeypatch.context() as patched:
            patched.setattr(BrokerAccess, "tls_context", renewing)
            receiver.cut()
            wait_for(lambda: caplog.text.count("the key doesn't fit the certificate") >= 2)
        node.publish(wire.lights(1))
        (found,) = take(receiver, 1, timeout_s=60)
        receiver.acknowledge([found])


def test_an_answer_does_not_wait_for_a_node_that_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(receiver: MqttReceiver, seq: int) -> None:
        receiver.publish(topics.ack(NODE, Stream.LIGHT), encode(Ack(v=1, spool=SPOOL, seq=seq)))

    with bench.receiver() as receiver:
        with bench.node(session_expiry_s=60):
            pass
        answer(receiver, 7)
        monkeypatch.setattr(receive, "ACK_EXPIRES_S", 1)
        answer(receiver, 8)
        time.sleep(2.5)
        with bench.node() as node:
            assert node.ack().seq == 7
            with pytest.raises(queue.Empty):
                node.ack(timeout_s=1)


def test_a_silent_broker_is_noticed(
    bench: Bench, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    with bench.receiver(silence_s=4) as receiver:
        time.sleep(5)  # a quiet broker answers pings, so nothing happens
        assert bench.value("msl_ingest_watchdog_restarts_total") == 0
        os.kill(bench.broker.pid, signal.SIGSTOP)
        try:
            wait_for(lambda: bench.value("msl_ingest_watchdog_restarts_total") >= 1, timeout_s=60)
        finally:
            os.kill(bench.broker.pid, signal.SIGCONT)
        wait_for(lambda: receiver.connected, timeout_s=60)
        with bench.node() as node:
            node.publish(wire.lights(1))
            receiver.acknowledge(take(receiver, 1, timeout_s=60))
    assert "nothing from the broker for" in caplog.text


def test_what_is_larger_than_we_take_stays_at_the_broker_and_holds_nobody_up(
    bench: Bench, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "MAX_PACKET_BYTES", 2000)
    with bench.receiver() as receiver, bench.node() as node:
        node.publish(wire.raw(b"x" * 3000), wire.lights(1))
        (found,) = take(receiver, 1)
        receiver.acknowledge([found])
        assert found.payload != b"x" * 3000
        assert take_all(receiver) == []
        assert receiver.epoch == 1


def test_a_certificate_names_the_process(bench: Bench, tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    access = BrokerAccess(host="h", port=1, ca_file=missing, cert_file=missing, key_file=missing)
    with pytest.raises(NoClientName, match=r"none.pem can't be read"):
        access.client_id()


def cut(receiver: MqttReceiver) -> None:
    """End the connection under the client, as a router would."""
    epoch = receiver.epoch
    receiver.cut()
    deadline_s = time.monotonic() + 60
    while receiver.epoch == epoch or not receiver.connected:
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.02)
