"""What tests of the node's agent, spool and uplink share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.broker_link import BrokerSettings
from edge.clock import Clock
from edge.settings import render
from edge.simulate.records import RecordSource
from edge.spool import Spool
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from tests.edge.fake_server import FakeServer

BOOT = "0" * 31 + "1"
# 2026-11-25 12:00:00 UTC
NOON_S = 1_795_608_000.0


@dataclass
class SetClock:
    """A clock that tests set by hand: boot time and wall time move apart when told to."""

    boot: float = 1000.0
    offset: float = NOON_S - 1000.0
    in_sync: bool = True

    def boot_s(self) -> float:
        return self.boot

    def utc_s(self) -> float:
        return self.boot + self.offset

    def synced(self) -> bool:
        return self.in_sync

    def sleep(self, seconds: float) -> None:
        self.boot += seconds


@pytest.fixture
def clock() -> SetClock:
    """Noon, in sync."""
    return SetClock()


@pytest.fixture
def open_spool(tmp_path: Path, clock: SetClock) -> Iterator[Callable[..., Spool]]:
    """Opens `spool.db` of the test's folder; closed at the end if the test didn't."""
    with ExitStack() as stack:

        def open_one(
            limit_bytes: int = 10_000_000, boot: str = BOOT, clock: Clock = clock
        ) -> Spool:
            spool = Spool(
                tmp_path / "spool.db", limit_bytes=limit_bytes, clock=clock, boot=boot, rev="0.1.0"
            )
            stack.callback(_close_if_open, spool)
            return spool

        yield open_one


@pytest.fixture
def source() -> RecordSource:
    """Records of every stream."""
    return RecordSource(flags=())


@pytest.fixture
def server(
    broker: Broker, client_certificate: Callable[[str], CredentialFiles]
) -> Iterator[FakeServer]:
    files = client_certificate("srv-ingest")
    fake = FakeServer(
        BrokerSettings(
            host="127.0.0.1",
            port=broker.port,
            ca_file=broker.ca_file,
            cert_file=files.certificate,
            key_file=files.key,
        ),
        "srv-ingest",
    )
    yield fake
    fake.stop()


@pytest.fixture
def node_file(
    broker: Broker,
    client_certificate: Callable[[str], CredentialFiles],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Path:
    """Settings of a node of the test's own; sources are added by `--set`."""
    node_id = f"agent-{abs(hash(request.node.name)) % 10**8}"
    files = client_certificate(node_id)
    file = tmp_path / "node.toml"
    file.write_text(
        render(
            {
                "node_id": node_id,
                "trust_clock": "always",
                "broker.port": broker.port,
                "broker.ca_file": str(broker.ca_file),
                "broker.cert_file": str(files.certificate),
                "broker.key_file": str(files.key),
                "uplink.ack_timeout_s": 1.0,
                "uplink.backoff_max_s": 2.0,
                "uplink.reconnect_max_s": 1.0,
                "windows.light_s": 5,
                "windows.noise_s": 5,
                "windows.health_s": 5,
            }
        )
    )
    return file


def _close_if_open(spool: Spool) -> None:
    try:
        spool.close()
    except OSError:
        return  # the test closed it: its lock is gone
