"""`msl ingest` before it connects: what it refuses, and in which words."""

import socket
import threading
from pathlib import Path

import pytest

from contract import topics
from server.identity import ca
from server.ingest.broker_access import BrokerAccess, BrokerFilesUnusable
from server.ingest.command import (
    BrokerNotSet,
    MetricsPortTaken,
    UnknownStream,
    kinds_of,
    run,
)
from server.ingest.metrics import Metrics
from server.ingest.receive import KINDS, MqttReceiver
from server.settings import Settings


def test_all_kinds_unless_streams_are_named() -> None:
    assert kinds_of(None) == KINDS
    assert kinds_of("light, noise,light") == ("light", "noise")


def test_what_has_no_stream_goes_with_events() -> None:
    assert kinds_of("event") == ("event", topics.STATUS, topics.WALKTEST)


def test_an_unknown_stream_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownStream, match="'lux'; there are light, noise, footfall"):
        kinds_of("light,lux")


def test_a_missing_certificate_names_its_setting(free_port: int) -> None:
    values = Settings(ingest_metrics_port=free_port)
    with pytest.raises(BrokerNotSet, match="set MSL_BROKER_CA_FILE to its path"):
        run(values, KINDS, threading.Event())


def test_a_taken_metrics_port_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = Settings(ingest_metrics_port=taken.getsockname()[1])
        with pytest.raises(MetricsPortTaken, match="its own MSL_INGEST_METRICS_PORT"):
            run(values, KINDS, threading.Event())


def test_unusable_certificates_are_said(tmp_path: Path) -> None:
    root = ca.create_root("root")
    files = ca.issue_process(root, "srv-ingest").save(tmp_path)
    access = BrokerAccess(
        host="127.0.0.1",
        port=1,
        ca_file=tmp_path / "absent.pem",
        cert_file=files.certificate,
        key_file=files.key,
    )
    with pytest.raises(BrokerFilesUnusable, match=r"absent\.pem"):
        MqttReceiver(access, receive_maximum=10, metrics=Metrics())
    assert access.client_id() == "srv-ingest"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
