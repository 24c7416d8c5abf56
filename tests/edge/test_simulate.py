"""Emulated nodes: ready records through the real uplink, and a pilot of whole agents."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.batch import encode_record
from contract.streams import Stream
from edge.broker_link import BrokerSettings
from edge.errors import SettingsError
from edge.settings import load
from edge.simulate.pilot import EXAMPLE, load_pilot
from edge.simulate.records import RecordSource, day_share
from edge.simulate.run_pilot import send_records
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from tests.edge.fake_server import FakeServer


@pytest.fixture
def server(
    broker: Broker, client_certificate: Callable[[str], CredentialFiles]
) -> Iterator[FakeServer]:
    files = client_certificate("srv-ingest")
    settings = BrokerSettings(
        host="127.0.0.1",
        port=broker.port,
        ca_file=broker.ca_file,
        cert_file=files.certificate,
        key_file=files.key,
    )
    fake = FakeServer(settings, "srv-ingest")
    yield fake
    fake.stop()


@pytest.fixture
def pilot_file(
    broker: Broker, client_certificate: Callable[[str], CredentialFiles], tmp_path: Path
) -> Path:
    """Two nodes that know the stack's broker."""
    nodes = []
    for node_id in ("sim-a", "sim-b"):
        files = client_certificate(node_id)
        own = {"cert_file": str(files.certificate), "key_file": str(files.key)}
        nodes.append({"node_id": node_id, "broker": own})
    defaults = {
        "broker": {"port": broker.port, "ca_file": str(broker.ca_file)},
        "windows": {"light_s": 2, "noise_s": 2, "health_s": 2},
        "uplink": {"ack_timeout_s": 2.0},
    }
    file = tmp_path / "pilot.json"
    file.write_text(json.dumps({"defaults": defaults, "node": nodes}))
    return file


@pytest.mark.parametrize("stream", list(Stream), ids=str)
def test_ready_records_are_valid_around_the_clock_and_repeatable(stream: Stream) -> None:
    one, other = RecordSource(seed=3), RecordSource(seed=3)
    for hour in range(24):
        t_ms = 1_795_608_000_000 + hour * 3_600_000
        assert encode_record(stream, one.record(stream, t_ms)) == encode_record(
            stream, other.record(stream, t_ms)
        )


def test_day_is_dark_at_midnight_and_brightest_at_noon() -> None:
    assert day_share(0) == 0
    assert day_share(12 * 3_600_000) == 1


@pytest.mark.mqtt
def test_ready_records_reach_the_server_through_the_real_uplink(
    server: FakeServer, pilot_file: Path, tmp_path: Path
) -> None:
    assert send_records(load_pilot(pilot_file), tmp_path, count=120, per_s=0, timeout_s=60) == 0
    assert len(server.stored) == 2 * len(Stream)
    assert all(sorted(records) == list(range(1, 121)) for records in server.stored.values())


@pytest.mark.mqtt
@pytest.mark.timeout(180)
def test_pilot_runs_whole_agents_marked_simulated_and_stops_them(
    server: FakeServer, pilot_file: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "edge", "simulate", str(pilot_file)]
    with subprocess.Popen([*command, "--folder", str(tmp_path)], stderr=subprocess.PIPE) as pilot:
        measured = {Stream.LIGHT, Stream.NOISE, Stream.HEALTH}
        assert server.wait_for(
            lambda: all(
                sum(1 for (_, s), r in server.stored.items() if s is stream and r) == 2
                for stream in measured
            ),
            120,
        )
        pilot.send_signal(signal.SIGTERM)
        pilot.communicate(timeout=60)
    assert pilot.returncode == 0
    bodies = [json.loads(body) for records in server.stored.values() for body in records.values()]
    assert all("SIMULATED" in body["flags"] for body in bodies)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in listed.stdout


def test_example_pilot_is_one(tmp_path: Path) -> None:
    file = tmp_path / "pilot.toml"
    file.write_text(EXAMPLE)
    first, second = load_pilot(file)
    assert (first.node_id, second.node_id) == ("sim-park-1", "sim-park-2")
    assert first.values["broker.ca_file"] == str(tmp_path / "certificates/ca.pem")
    assert second.values["light.lamp_works"] is False
    settings = load(first.write(tmp_path / "sim-park-1"))
    assert settings.text("footfall.source") == "scene:seed=1;people=6;sky=1"
    assert settings.windows().light_s == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[nodes]]\nnode_id='abc'", "needs [[node]] tables"),
        ("[[node]]\nnode_id='abc'\nlight.bux=1", "node 1: no setting is called 'light.bux'"),
        ("[[node]]\nnode_id='abc'\n[[node]]\nnode_id='abc'", "names a node twice: abc, abc"),
    ],
    ids=["tables", "unknown", "twice"],
)
def test_pilot_file_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "pilot.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_pilot(file)
