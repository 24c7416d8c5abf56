"""What the uplink does at the edges of a connection: limits of the broker, a thread that dies."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contract.batch import BatchRange, decode_batch
from contract.limits import MAX_PAYLOAD_BYTES
from contract.streams import Stream
from edge.broker_link import (
    PACKET_TOO_LARGE,
    PUBACK_TIMEOUT_S,
    THREAD_SILENT_S,
    BrokerLink,
    BrokerSettings,
    Ended,
    LinkError,
    Published,
)
from edge.clock import TrustedClock
from edge.errors import SettingsError
from edge.simulate.records import RecordSource
from edge.spool import Spool
from edge.uplink import PACKET_EXTRA_BYTES, SMALLEST_PACKET_BYTES, Uplink
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from tests.edge.conftest import NOON_S

LIGHT = Stream.LIGHT
WILL = ("msl/v1/link-1/up/status", b"{}")


@dataclass
class FakeLink:
    """A link that only notes what is published."""

    capacity: int = 20
    packet_max_bytes: int = 2**28
    published: list[tuple[str, bytes, list[tuple[str, str]]]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes, properties: list[tuple[str, str]]) -> int:
        self.capacity -= 1
        self.published.append((topic, payload, properties))
        return len(self.published)


@pytest.fixture
def uplink(open_spool: Callable[..., Spool], source: RecordSource) -> Uplink:
    """An uplink that isn't started, over 2000 light records."""
    spool = open_spool()
    for _ in range(2000):
        spool.append(LIGHT, source.record(LIGHT, int(NOON_S * 1000)))
    spool.flush()
    settings = BrokerSettings(host="127.0.0.1", port=1)
    return Uplink("link-1", settings, spool, TrustedClock(always=True))


def send(uplink: Uplink, link: Any) -> None:
    uplink._send(link)


def test_batches_fill_the_contracts_limit_and_no_more(uplink: Uplink) -> None:
    link = FakeLink()
    send(uplink, link)
    sizes = [len(payload) for _, payload, _ in link.published]
    assert max(sizes) <= MAX_PAYLOAD_BYTES
    assert min(sizes[:-1]) > 0.95 * MAX_PAYLOAD_BYTES
    topic, payload, properties = link.published[0]
    assert topic == "msl/v1/link-1/up/light"
    batch, mark = decode_batch(LIGHT, payload), BatchRange.from_user_properties(properties)
    assert mark is not None
    assert (mark.first, mark.last, mark.low) == (1, len(batch.records), 1)


def test_brokers_maximum_packet_size_is_obeyed(uplink: Uplink) -> None:
    link = FakeLink(packet_max_bytes=5000)
    send(uplink, link)
    assert link.published
    assert all(len(p) <= 5000 - PACKET_EXTRA_BYTES for _, p, _ in link.published)


def test_broker_that_takes_less_than_a_record_is_waited_for(uplink: Uplink) -> None:
    link = FakeLink(packet_max_bytes=500)
    send(uplink, link)
    assert link.published == []
    assert uplink._spool.depth().records_n == 2000


def test_brokers_receive_maximum_is_obeyed(uplink: Uplink) -> None:
    link = FakeLink(capacity=2)
    send(uplink, link)
    assert len(link.published) == 2


def test_packet_too_large_makes_the_next_ones_smaller(uplink: Uplink) -> None:
    for _ in range(10):
        uplink._ended(Ended("packet too large", PACKET_TOO_LARGE))
    link = FakeLink()
    send(uplink, link)
    assert all(len(p) <= SMALLEST_PACKET_BYTES for _, p, _ in link.published)


@pytest.mark.parametrize(
    ("reason", "delivered"), [(0x00, True), (0x10, False), (0x87, False), (0x97, False)]
)
def test_puback_counts_only_when_somebody_took_it(reason: int, delivered: bool) -> None:
    assert Published(1, reason).delivered is delivered


def test_certificates_that_cannot_be_used_are_named() -> None:
    settings = BrokerSettings(host="x", port=1, ca_file=Path("/nowhere/ca.pem"))
    with pytest.raises(SettingsError, match=r"certificates /nowhere/ca.pem, .* can't be used"):
        settings.tls_context()


@pytest.mark.mqtt
class TestRealLink:
    """One connection to the real broker."""

    @pytest.fixture
    def link(
        self, broker: Broker, client_certificate: Callable[[str], CredentialFiles]
    ) -> BrokerLink:
        files = client_certificate("link-1")
        settings = BrokerSettings(
            host="127.0.0.1",
            port=broker.port,
            ca_file=broker.ca_file,
            cert_file=files.certificate,
            key_file=files.key,
        )
        return BrokerLink(settings, "link-1", WILL)

    def test_dead_network_thread_is_reported(
        self, link: BrokerLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken() -> None:
            raise RuntimeError("planted")

        link.open()
        monkeypatch.setattr(link._client, "_loop", lambda _timeout: broken())
        ended = wait_ended(link)
        assert "network thread failed: RuntimeError('planted')" in ended.why
        link.abandon()

    def test_silent_thread_and_missing_puback_count_as_stalled(
        self, link: BrokerLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link.open()
        assert link.stalled() is None
        now_s = time.monotonic()
        link._unanswered[1] = now_s - PUBACK_TIMEOUT_S - 1
        assert link.stalled() == "no PUBACK for 60 s"
        link._unanswered.clear()
        monkeypatch.setattr("edge.broker_link.time.monotonic", lambda: now_s + THREAD_SILENT_S + 5)
        assert "gave no sign for 30 s" in str(link.stalled())
        monkeypatch.undo()
        link.close()

    def test_second_link_of_the_same_node_ends_the_first(
        self, link: BrokerLink, broker: Broker
    ) -> None:
        link.open()
        second = BrokerLink(link.settings, "link-1", WILL)
        second.open()
        assert "Session taken over" in wait_ended(link).why
        second.close()

    def test_unknown_authority_is_refused(
        self, broker: Broker, client_certificate: Callable[[str], CredentialFiles]
    ) -> None:
        settings = BrokerSettings(host="127.0.0.1", port=broker.port, ca_file=broker.ca_file)
        with pytest.raises(LinkError, match=f"broker 127.0.0.1:{broker.port} "):
            BrokerLink(settings, "link-1", WILL).open()


def wait_ended(link: BrokerLink) -> Ended:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            event = link.events.get(timeout=1)
        except queue.Empty:
            continue
        if isinstance(event, Ended):
            return event
    raise AssertionError("the link did not end")
