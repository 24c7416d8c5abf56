"""The whole node through a real broker: what it measures arrives, whatever ends it."""

import functools
import itertools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import wave
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract import topics
from contract.json import encode
from contract.messages import Command, Config, Geometry, Line, Windows
from contract.streams import Stream
from edge.agent import Agent, Mode
from edge.broker_link import BrokerSettings
from edge.errors import SettingsError
from edge.settings import load
from edge.spool_file import SpoolBusy
from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from tests.edge.fake_server import FakeServer

pytestmark = [pytest.mark.mqtt, pytest.mark.timeout(180)]
START = "2026-05-01T20:00:15Z"
START_MS = 1_777_665_615_000
EMULATED = ("light.source=emulated:opt3001", "noise.source=emulated")


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """12 s of 1 kHz; at 48 kHz, a tenth of full scale."""
    path = tmp_path / "tone.wav"
    second = array("h", [int(3277 * math.sin(2 * math.pi * n / 48)) for n in range(48_000)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        for _ in range(12):
            file.writeframes(second.tobytes())
    return path


def start(node_file: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--config", str(node_file), *options],
        stderr=subprocess.PIPE,
        text=True,
    )


def sets(*texts: str) -> list[str]:
    return [part for text in texts for part in ("--set", text)]


def finish(process: "subprocess.Popen[str]", timeout_s: float = 90) -> tuple[int, str]:
    _, said = process.communicate(timeout=timeout_s)
    return process.returncode, said


def stored(server: FakeServer, stream: Stream) -> list[dict[str, Any]]:
    """Records of the only spool there is, by seq."""
    found = [records for (_, s), records in server.stored.items() if s is stream]
    assert len(found) == 1
    return [json.loads(found[0][seq]) for seq in sorted(found[0])]


def stored_n(server: FakeServer) -> int:
    return sum(len(records) for records in server.stored.values())


def has_stored(server: FakeServer, wanted_n: int) -> bool:
    return stored_n(server) >= wanted_n


def test_files_arrive_whole_and_the_run_ends_with_their_acknowledgement(
    server: FakeServer, node_file: Path, tone: Path
) -> None:
    options = sets(f"noise.source=wav:{tone}", EMULATED[0], f"run.start_at={START}")
    code, said = finish(start(node_file, "--fast", "--once", *options))
    assert code == 0, said
    noise = stored(server, Stream.NOISE)
    assert [(r["t"] - START_MS, r["dur_s"], r["valid_s"]) for r in noise] == [
        (0, 5, 5),
        (5000, 5, 5),
        (10_000, 2, 2),
    ]
    assert noise[1]["laeq"] == pytest.approx(100, abs=0.1)  # 120 dB less 20
    assert [r["flags"] for r in noise] == [[], [], ["PARTIAL"]]
    light = stored(server, Stream.LIGHT)
    assert sum(r["dur_s"] for r in light) == pytest.approx(12, abs=1)
    assert all("SIMULATED" in r["flags"] for r in light)
    assert stored(server, Stream.EVENT)[0]["body"]["reason"] == "first_start"
    assert len(stored(server, Stream.HEALTH)) >= 1


def test_once_without_a_server_says_so_and_keeps_everything(node_file: Path, tone: Path) -> None:
    options = sets(f"noise.source=wav:{tone}", "broker.port=1", "run.drain_s=2")
    code, said = finish(start(node_file, "--fast", "--once", *options))
    assert code == 3
    assert "records are spooled, but not acknowledged by the server; uplink is offline" in said


def test_sigterm_cuts_the_windows_short_and_ends_well(server: FakeServer, node_file: Path) -> None:
    node = start(node_file, *sets(*EMULATED))
    assert server.wait_for(
        lambda: any(s is Stream.LIGHT and r for (_, s), r in server.stored.items()), 60
    )
    time.sleep(1.5)
    node.send_signal(signal.SIGTERM)
    code, said = finish(node)
    assert code == 0, said
    again = start(node_file, "--once", *sets("run.seconds=3", EMULATED[0]))
    assert finish(again)[0] == 0
    noise = stored(server, Stream.NOISE)
    assert "PARTIAL" in noise[-1]["flags"]
    restarts = [e["body"] for e in stored(server, Stream.EVENT) if e["body"]["kind"] == "restart"]
    assert [body["reason"] for body in restarts] == ["first_start", "start"]
    assert restarts[1]["down_from"] == max(
        record["t"] + round(record["dur_s"] * 1000)
        for stream in (Stream.LIGHT, Stream.NOISE)
        for record in stored(server, stream)
        if record["t"] < restarts[1]["down_to"]
    )


def test_killed_node_goes_on_with_its_line_and_declares_the_gap(
    server: FakeServer, node_file: Path
) -> None:
    for _ in range(3):
        node = start(node_file, *sets(*EMULATED, "windows.light_s=1", "windows.noise_s=1"))
        wanted_n = stored_n(server) + 5
        assert server.wait_for(functools.partial(has_stored, server, wanted_n), 60)
        os.kill(node.pid, signal.SIGKILL)
        finish(node)
    last = start(node_file, "--once", *sets("run.seconds=2", *EMULATED))
    assert finish(last)[0] == 0
    for stream in (Stream.LIGHT, Stream.NOISE, Stream.EVENT, Stream.HEALTH):
        seqs = [record["seq"] for record in stored(server, stream)]
        assert seqs == list(range(1, len(seqs) + 1))
    spans = sorted((r["t"], r["t"] + r["dur_s"] * 1000) for r in stored(server, Stream.LIGHT))
    assert all(a[1] <= b[0] + 1 for a, b in itertools.pairwise(spans))
    reasons = [e["body"].get("reason") for e in stored(server, Stream.EVENT)]
    assert [r for r in reasons if r] == ["first_start", "crash", "crash", "crash"]


class TestWhatComesDown:
    """Configuration and commands, each answered by an event."""

    @pytest.fixture
    def agent(self, server: FakeServer, node_file: Path) -> Iterator[Agent]:
        agent = Agent(load(node_file, [EMULATED[0]]), Mode())
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        node_id = load(node_file).text("node_id")
        assert server.wait_for(lambda: bool(server.statuses[node_id]))
        yield agent
        agent.stop()
        thread.join(30)

    @pytest.fixture
    def send(
        self,
        broker: Broker,
        client_certificate: Callable[[str], CredentialFiles],
        node_file: Path,
    ) -> Iterator[Callable[[Config | Command], None]]:
        files = client_certificate("srv-api")
        api = FakeServer(
            BrokerSettings(
                host="127.0.0.1",
                port=broker.port,
                ca_file=broker.ca_file,
                cert_file=files.certificate,
                key_file=files.key,
            ),
            "srv-api",
        )
        api.takes = lambda _: False
        node_id = load(node_file).text("node_id")

        def down(message: Config | Command) -> None:
            kind = topics.config if isinstance(message, Config) else topics.command
            api.send_down(kind(node_id), encode(message))

        yield down
        api.stop()

    def bodies(self, server: FakeServer, kind: str) -> list[dict[str, Any]]:
        found = [
            json.loads(b)
            for (_, s), r in server.stored.items()
            if s is Stream.EVENT
            for b in r.values()
        ]
        return [event["body"] for event in found if event["body"]["kind"] == kind]

    def test_config_is_applied_answered_and_kept(
        self,
        server: FakeServer,
        agent: Agent,
        send: Callable[[Config | Command], None],
        node_file: Path,
    ) -> None:
        line = Line(line="gate", x1=0.5, y1=0.1, x2=0.5, y2=0.9)
        geometry = Geometry(geometry_rev=2, lines=[line])
        send(Config(v=1, config_rev=7, geometry=geometry, windows=Windows(light_s=2, health_s=2)))
        assert server.wait_for(lambda: bool(self.bodies(server, "config_applied")))
        answer = self.bodies(server, "config_applied")[0]
        assert (answer["config_rev"], answer["ok"], answer["detail"]) == (7, True, "changed: light")
        assert server.wait_for(
            lambda: any(
                r["dur_s"] == 2 for r in (stored(server, Stream.LIGHT) if server.stored else [])
            )
        )
        agent.stop()
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s:
            try:
                again = Agent(load(node_file, [EMULATED[0]]), Mode())
            except SpoolBusy:
                time.sleep(0.2)
                continue
            break
        assert again._windows().light_s == 2
        again.spool.close()

    def test_geometry_that_cannot_be_is_refused(
        self, server: FakeServer, agent: Agent, send: Callable[[Config | Command], None]
    ) -> None:
        short = Line(line="gate", x1=0.5, y1=0.5, x2=0.505, y2=0.5)
        send(Config(v=1, config_rev=8, geometry=Geometry(geometry_rev=3, lines=[short])))
        assert server.wait_for(lambda: bool(self.bodies(server, "config_applied")))
        answer = self.bodies(server, "config_applied")[0]
        assert not answer["ok"]
        assert "line gate is 0.005 share long" in answer["detail"]

    def test_check_answers_how_a_sensor_is(
        self, server: FakeServer, agent: Agent, send: Callable[[Config | Command], None]
    ) -> None:
        expires = int((time.time() + 60) * 1000)
        time.sleep(2)
        for nonce, check in (("a" * 16, "light"), ("b" * 16, "noise")):
            send(Command(v=1, command="check", nonce=nonce, expires=expires, check=check))
        assert server.wait_for(lambda: len(self.bodies(server, "check_result")) == 2)
        light, noise = sorted(self.bodies(server, "check_result"), key=lambda b: b["nonce"])
        assert (light["check"], light["ok"]) == ("light", True)
        assert (noise["check"], noise["ok"]) == ("noise", False)
        assert noise["detail"] == "absent: no reason"

    def test_a_walk_test_without_a_camera_is_refused(
        self, server: FakeServer, agent: Agent, send: Callable[[Config | Command], None]
    ) -> None:
        expires = int((time.time() + 60) * 1000)
        send(Command(v=1, command="walk_test", nonce="d" * 16, expires=expires))
        assert server.wait_for(lambda: bool(self.bodies(server, "check_result")))
        (answer,) = self.bodies(server, "check_result")
        assert (answer["check"], answer["ok"]) == ("walk_test", False)
        assert answer["detail"] == "this node counts nobody: no camera is set up"
        assert self.bodies(server, "walk_test") == []

    def test_nonce_rides_in_the_next_batches(
        self, server: FakeServer, agent: Agent, send: Callable[[Config | Command], None]
    ) -> None:
        nonce = "c" * 16
        expires = int((time.time() + 60) * 1000)
        send(Command(v=1, command="nonce", nonce=nonce, expires=expires))
        wanted = {Stream.LIGHT, Stream.HEALTH}
        assert server.wait_for(
            lambda: wanted <= {b.stream for b, _ in server.batches if b.header.nonce == nonce}
        )


def test_systemd_hears_ready_alive_and_stopping(node_file: Path, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(60)
        command = [sys.executable, "-m", "edge", "run", "--config", str(node_file)]
        node = subprocess.Popen(
            [*command, *sets(EMULATED[0])],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": address},
        )
        heard = [systemd.recv(64) for _ in range(3)]
        node.send_signal(signal.SIGTERM)
        assert finish(node)[0] == 0
        systemd.settimeout(0.1)
        while heard[-1] != b"STOPPING=1":
            heard.append(systemd.recv(64))
    assert heard[0] == b"READY=1"
    assert set(heard[1:-1]) == {b"WATCHDOG=1"}


def test_endless_inputs_cannot_be_run_once(node_file: Path) -> None:
    with pytest.raises(SettingsError, match="need an input that ends"):
        Agent(load(node_file, list(EMULATED)), Mode(once=True))


def test_agent_never_imports_opencv() -> None:
    code = (
        "import sys, edge.agent, edge.cli, edge.selftest, edge.simulate.run_pilot;"
        "sys.exit('cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
