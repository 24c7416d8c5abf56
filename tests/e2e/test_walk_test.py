"""A walk test from the command down to the rows that a technician's page reads, and no further."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from contract import topics
from contract.json import encode
from contract.messages import Command
from edge.broker_link import BrokerSettings
from edge.recent_windows import read_recent
from edge.settings import render
from server.identity.ca import CredentialFiles
from tests.e2e.conftest import BIN, Server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NODE = "walk-01"


@pytest.fixture
def send(
    server: Server, client_certificate: Callable[[str], CredentialFiles]
) -> Callable[..., None]:
    """`send(check=None)`: the walk test's command, as the server's API would send it."""
    files = client_certificate("srv-api")
    broker = BrokerSettings(
        host="127.0.0.1",
        port=server.broker.port,
        ca_file=server.broker.ca_file,
        cert_file=files.certificate,
        key_file=files.key,
    )

    def command(nonce: str, check: str | None = None) -> None:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="srv-api", protocol=mqtt.MQTTv5)
        context = broker.tls_context()
        assert context is not None
        client.tls_set_context(context)
        client.connect(broker.host, broker.port)
        client.loop_start()
        expires = int((time.time() + 60) * 1000)
        message = Command(v=1, command="walk_test", nonce=nonce, expires=expires, check=check)
        client.publish(topics.command(NODE), encode(message), qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    return command


@pytest.fixture
def config(
    server: Server, client_certificate: Callable[[str], CredentialFiles], tmp_path: Path
) -> Path:
    files = client_certificate(NODE)
    file = tmp_path / "node.toml"
    file.write_text(
        render(
            {
                "node_id": NODE,
                "trust_clock": "always",
                "state_dir": str(tmp_path / "state"),
                "broker.port": server.broker.port,
                "broker.ca_file": str(server.broker.ca_file),
                "broker.cert_file": str(files.certificate),
                "broker.key_file": str(files.key),
                "windows.footfall_s": 300,
                "footfall.source": "scene:seed=1;people=12",
            }
        )
    )
    return file


def wait_for(read: Callable[[], list[tuple[Any, ...]]], timeout_s: float = 90) -> Any:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if rows := read():
            return rows
        time.sleep(0.5)
    return read()


def test_a_command_begins_it_counts_arrive_and_a_command_ends_it(
    server: Server, config: Path, send: Callable[..., None]
) -> None:
    server.register(NODE, simulated=True)
    with psycopg.connect(server.database.dsn) as conn:
        conn.execute("UPDATE node SET state = 'maintenance' WHERE node_id = %s", [NODE])
    node = subprocess.Popen(
        [str(BIN / "msl-node"), "run", "--config", str(config)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert wait_for(lambda: server.rows("SELECT 1 FROM event_raw WHERE kind = 'restart'"))
        time.sleep(8)  # the counter warms up
        send("a" * 16)
        counts = wait_for(
            lambda: server.rows("SELECT dur_s, line, a_to_b, b_to_a FROM walk_test ORDER BY t")
        )
        send("b" * 16, check="end")
        ended = "SELECT 1 FROM event_raw WHERE kind = 'walk_test' AND NOT (body->>'started')::bool"
        assert wait_for(lambda: server.rows(ended))
    finally:
        node.terminate()
        said = node.communicate(timeout=60)[1]
    assert counts, said
    assert counts[0][0] == pytest.approx(10, abs=1.5)
    assert counts[0][1] == "main"
    assert all(a_to_b is not None for _, _, a_to_b, _ in counts)
    answers = server.rows(
        "SELECT body->>'nonce', (body->>'ok')::bool FROM event_raw"
        " WHERE kind = 'check_result' ORDER BY seq"
    )
    assert answers == [("a" * 16, True), ("b" * 16, True)]
    began = server.rows(
        "SELECT body->>'started', body->>'by' FROM event_raw WHERE kind = 'walk_test' ORDER BY seq"
    )
    assert began == [("true", "command"), ("false", "command")]
    # The windows that it fell into say that somebody worked there, and count nobody. There are two
    # of them when the clock passed a multiple of the window's length meanwhile.
    windows = read_recent(config.parent / "state" / "recent.json")
    worked = [window for window in windows if "MAINTENANCE" in window.flags]
    assert worked
    assert {(window.valid_s, window.lines[0].a_to_b) for window in worked} == {(0.0, None)}
