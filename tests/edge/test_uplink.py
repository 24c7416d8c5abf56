"""The uplink through a real Mosquitto, to a server in miniature: stored = spooled, each once."""

import itertools
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from contract import topics
from contract.batch import Batch
from contract.json import encode
from contract.messages import Ack, Command, Config, Windows
from contract.streams import Stream
from edge.broker_link import BrokerSettings, Message
from edge.clock import SystemClock
from edge.downlink import Downlink
from edge.simulate.records import RecordSource, fill
from edge.spool import Spool
from edge.uplink import Timing, Uplink
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from tests.edge.conftest import BOOT, NOON_S
from tests.edge.fake_server import FakeServer

pytestmark = [pytest.mark.mqtt, pytest.mark.timeout(120)]
LIGHT = Stream.LIGHT
FAST = Timing(ack_timeout_s=1.0, backoff_max_s=2.0, reconnect_s=0.2, reconnect_max_s=0.5)
_numbers = itertools.count(1)


@dataclass
class Heard:
    """A handler that only notes what came down."""

    configs: list[Config] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def configure(self, config: Config) -> None:
        self.configs.append(config)

    def check(self, command: Command) -> None:
        self.commands.append(command)

    walk_test = carry_nonce = check

    def refuse(self, command: Command, why: str) -> None:
        self.refused.append(why)


@dataclass
class Node:
    """A spool with its uplink, flushed like the agent does."""

    node_id: str
    spool: Spool
    uplink: Uplink
    heard: Heard

    def make(self, n: int, stream: Stream = LIGHT) -> None:
        source = RecordSource()
        start_ms = int(NOON_S * 1000)
        for _ in fill(self.spool, source, stream, start_ms=start_ms, count=n):
            self.uplink.wake()

    def emptied(self, timeout_s: float = 20) -> bool:
        """Whether the server's acknowledgements empty the spool in time."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            self.spool.flush()
            if self.spool.depth().records_n == 0:
                return True
            time.sleep(0.05)
        return False


@pytest.fixture
def settings(
    broker: Broker, client_certificate: Callable[[str], CredentialFiles]
) -> Callable[[str], BrokerSettings]:
    def of(client_id: str) -> BrokerSettings:
        files = client_certificate(client_id)
        return BrokerSettings(
            host="127.0.0.1",
            port=broker.port,
            ca_file=broker.ca_file,
            cert_file=files.certificate,
            key_file=files.key,
        )

    return of


@pytest.fixture
def server(settings: Callable[[str], BrokerSettings]) -> Iterator[FakeServer]:
    fake = FakeServer(settings("srv-ingest"), "srv-ingest")
    yield fake
    fake.stop()


@pytest.fixture
def start_node(
    settings: Callable[[str], BrokerSettings], open_spool: Callable[..., Spool]
) -> Iterator[Callable[..., Node]]:
    started: list[Uplink] = []

    def start(node_id: str | None = None, timing: Timing = FAST, **spool: int) -> Node:
        node_id = node_id or f"uplink-{next(_numbers)}"
        clock = SyncedClock()
        own = open_spool(clock=clock, **spool)
        heard = Heard()
        uplink = Uplink(
            node_id, settings(node_id), own, clock, Downlink(node_id, clock, heard), timing=timing
        )
        uplink.start()
        started.append(uplink)
        return Node(node_id, own, uplink, heard)

    yield start
    for uplink in started:
        uplink.stop()


class SyncedClock(SystemClock):
    """The machine's clock, taken as true."""

    def synced(self) -> bool:
        return True


def seqs(server: FakeServer, node: Node, stream: Stream = LIGHT) -> list[int]:
    return sorted(server.stored[node.spool.id, stream])


def test_every_stream_arrives_once_and_empties_the_spool(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    for stream in Stream:
        node.make(700, stream)
    assert node.emptied()
    for stream in Stream:
        assert seqs(server, node, stream) == list(range(1, 701))


def test_live_record_is_acknowledged_within_seconds(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    assert server.wait_for(lambda: bool(server.statuses[node.node_id]))
    began_s = time.monotonic()
    node.make(1)
    assert node.emptied()
    assert time.monotonic() - began_s < 2


def test_payloads_and_ranges_keep_to_the_contract(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    node.make(3000)
    assert node.emptied()
    for batch, mark in server.batches:
        assert len(batch.records) == mark.last - mark.first + 1 <= 1000
        assert (batch.records[0].seq, batch.records[-1].seq) == (mark.first, mark.last)
        assert batch.header.spool == mark.spool == node.spool.id
        assert batch.header.low == mark.low <= mark.first
    # Full batches: 64 KiB of light records of some 230 bytes.
    assert max(len(batch.records) for batch, _ in server.batches) > 200


def test_nothing_is_deleted_on_puback_alone(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    server.silent = True
    node = start_node()
    node.make(50)
    line = (node.spool.id, LIGHT)
    assert server.wait_for(lambda: len(server.stored[line]) == 50)
    assert not node.emptied(timeout_s=2)
    assert node.spool.depth().records_n == 50
    server.silent = False
    assert node.emptied()
    assert seqs(server, node) == list(range(1, 51))


def test_no_subscriber_is_not_delivered(
    settings: Callable[[str], BrokerSettings], start_node: Callable[..., Node]
) -> None:
    """Nobody takes the batches; the broker still gives a PUBACK, with reason 0x10."""
    wipe_session(settings("srv-ingest"), "srv-ingest")
    node = start_node()
    node.make(20)
    time.sleep(1.5)
    assert node.spool.depth().records_n == 20
    server = FakeServer(settings("srv-ingest"), "srv-ingest")
    try:
        assert node.emptied()
        assert seqs(server, node) == list(range(1, 21))
    finally:
        server.stop()


def test_broker_killed_in_the_middle_costs_only_a_resend(
    broker: Broker, server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    maker = threading.Thread(target=node.make, args=(8000,))
    maker.start()
    assert server.wait_for(lambda: len(server.stored[node.spool.id, LIGHT]) > 500)
    broker.kill()
    time.sleep(0.3)
    broker.start()
    maker.join()
    assert node.emptied(timeout_s=60)
    assert seqs(server, node) == list(range(1, 8001))


def test_acks_that_wait_in_the_session_arrive_after_a_restart(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    server.silent = True
    node = start_node()
    node.make(10)
    assert server.wait_for(lambda: len(server.stored[node.spool.id, LIGHT]) == 10)
    node.spool.flush()
    node.uplink.stop()
    server.acknowledge(node.node_id, LIGHT, node.spool.id, 10)
    node.spool.close()
    batches_n = len(server.batches)
    again = start_node(node.node_id, Timing(ack_timeout_s=60))
    assert again.emptied()
    # The one resend that a fresh connection makes may cross the acknowledgement, no more.
    assert len(server.batches) <= batches_n + 1


def test_old_copy_of_a_spool_begins_a_new_line(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    old_id = node.spool.id
    node.make(3)
    assert node.emptied()
    server.acknowledge(node.node_id, LIGHT, old_id, 500)
    until_s = time.monotonic() + 5
    while node.spool.id == old_id and time.monotonic() < until_s:
        time.sleep(0.05)
    assert node.spool.id != old_id
    node.make(4)
    assert node.emptied()
    assert seqs(server, node) == [1, 2, 3, 4]
    events = server.stored[node.spool.id, Stream.EVENT].values()
    assert any(json.loads(e)["body"].get("state") == "set_aside" for e in events)


def test_spool_closed_under_the_uplink_is_not_taken_for_broken(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    server.silent = True
    node = start_node()
    node.make(3)
    assert server.wait_for(lambda: len(server.stored[node.spool.id, LIGHT]) == 3)
    old_id = node.spool.id
    node.spool.close()
    node.uplink.wake()
    time.sleep(0.6)
    node.uplink.stop()
    assert list(node.spool.path.parent.glob("*.broken-*")) == []
    server.silent = False
    again = start_node(node.node_id)
    assert again.spool.id == old_id
    assert again.emptied()


def test_poison_record_is_set_aside_and_its_neighbours_arrive(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    poison = 5

    def takes(batch: Batch) -> bool:
        return all(r.seq != poison or type(r).__name__ != "LightRecord" for r in batch.records)

    server.takes = takes
    node = start_node(timing=Timing(ack_timeout_s=0.3, backoff_max_s=0.6, quarantine_after_s=1))
    node.make(8)
    assert node.emptied(timeout_s=60)
    assert seqs(server, node) == [1, 2, 3, 4, 6, 7, 8]
    assert server.complete_to((node.spool.id, LIGHT)) == 8  # 5 is declared by the event


def test_status_says_birth_and_farewell_and_is_not_retained(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    assert server.wait_for(lambda: len(server.statuses[node.node_id]) == 1)
    node.uplink.stop()
    assert server.wait_for(lambda: len(server.statuses[node.node_id]) == 2)
    birth, farewell = (json.loads(s) for s in server.statuses[node.node_id])
    assert (birth["state"], farewell["state"]) == ("online", "offline")
    assert birth["spool"] == node.spool.id
    assert birth["boot"] == BOOT
    assert server.retained == []


def test_nonce_comes_back_in_every_stream(
    server: FakeServer, start_node: Callable[..., Node]
) -> None:
    node = start_node()
    assert server.wait_for(lambda: bool(server.statuses[node.node_id]))
    node.uplink.carry_nonce("0123456789abcdef", time.time() + 60)
    for stream in Stream:
        node.make(2, stream)
    assert node.emptied()
    carried = {batch.stream for batch, _ in server.batches if batch.header.nonce}
    assert carried == set(Stream)
    node.make(1)
    assert node.emptied()
    assert server.batches[-1][0].header.nonce is None


def test_config_and_commands_reach_the_handler(
    server: FakeServer,
    start_node: Callable[..., Node],
    settings: Callable[[str], BrokerSettings],
) -> None:
    node = start_node()
    assert server.wait_for(lambda: bool(server.statuses[node.node_id]))
    config = Config(v=1, config_rev=3, windows=Windows(light_s=30))
    api = FakeServer(settings("srv-api"), "srv-api")
    api.send_down(topics.config(node.node_id), encode(config))
    for nonce, ahead_s in (("a" * 16, 60), ("b" * 16, -60), ("a" * 16, 60)):
        expires = int((time.time() + ahead_s) * 1000)
        command = Command(v=1, command="check", nonce=nonce, expires=expires, check="light")
        api.send_down(topics.command(node.node_id), encode(command))
    server.send_down(topics.command(node.node_id), b"\xff not json")
    until_s = time.monotonic() + 5
    while not node.heard.refused and time.monotonic() < until_s:
        time.sleep(0.05)
    api.stop()
    assert node.heard.configs == [config]
    assert [c.nonce for c in node.heard.commands] == ["a" * 16]  # once, though it came twice
    assert "expired 60 s ago" in node.heard.refused[0]


def test_retained_ack_is_ignored(open_spool: Callable[..., Spool], source: RecordSource) -> None:
    """It may be older than the server's last restore, and would delete what isn't there.

    Our own broker refuses retained messages; a city's may not.
    """
    spool = open_spool()
    spool.append(LIGHT, source.record(LIGHT, int(NOON_S * 1000)))
    spool.flush()
    spool.sent(LIGHT, 1)
    broker = BrokerSettings(host="127.0.0.1", port=1)
    uplink = Uplink("node-1", broker, spool, SyncedClock())
    for retained, low in ((True, 1), (False, 2)):
        payload = encode(Ack(v=1, spool=spool.id, seq=1))
        uplink._acknowledged(LIGHT, Message(topics.ack("node-1", LIGHT), payload, 1, 1, retained))
        assert spool.low(LIGHT) == low


def test_stopped_broker_is_noticed_and_left(
    broker: Broker, server: FakeServer, start_node: Callable[..., Node]
) -> None:
    """A broker that hangs but keeps the socket open: the keepalive ends it, nothing is lost."""
    node = start_node()
    node.make(10)
    assert node.emptied()
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        node.make(10)
        assert not node.emptied(timeout_s=1)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert node.emptied()
    assert seqs(server, node) == list(range(1, 21))


def test_no_broker_is_said_and_tried_again(open_spool: Callable[..., Spool]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    states: list[tuple[str, str]] = []
    spool = open_spool()
    uplink = Uplink(
        "node-1",
        BrokerSettings(host="127.0.0.1", port=port),
        spool,
        SyncedClock(),
        timing=FAST,
        on_state=lambda state, detail: states.append((state, detail)),
    )
    uplink.start()
    time.sleep(1.0)
    uplink.stop()
    assert len(states) >= 2
    assert all(
        state == "offline" and f"127.0.0.1:{port} can't be reached" in d for state, d in states
    )


def wipe_session(settings: BrokerSettings, client_id: str) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    context = settings.tls_context()
    assert context is not None
    client.tls_set_context(context)
    client.connect(settings.host, settings.port, clean_start=True)
    client.loop_start()
    time.sleep(0.5)
    client.disconnect()
    client.loop_stop()
