"""A calibration made on the node moves every derived value, once, and no raw one.

The node is emulated at its parts: a microphone 1.3 dB under its datasheet, a dome that takes a
fifth of the light. Both are found by `msl-node calibrate` and accepted by `msl calibration accept`.
"""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.settings import render
from server.identity.ca import CredentialFiles
from tests.e2e.conftest import BIN, Server
from tests.e2e.test_real_input import get

pytestmark = pytest.mark.e2e

NODE = "cal-01"
# Yesterday after dusk: the page shows what is at most a week old.
START = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT20:00:00Z")
LUX = [word for lux in ("5", "50", "500") for word in ("--reference-lux", lux)]
RAW = {
    "light": "SELECT t, seq, lux_p10, lux_p50, lux_p90, lux_max FROM light_raw ORDER BY seq",
    "noise": "SELECT t, seq, laeq, lafmax, la10, la50, la90, lceq FROM noise_raw ORDER BY seq",
}
DERIVED = {
    "light": "SELECT hour, lux_mean FROM light_1h ORDER BY hour",
    "noise": "SELECT hour, laeq FROM noise_1h ORDER BY hour",
}
Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def node(
    server: Server, client_certificate: Callable[[str], CredentialFiles], tmp_path: Path
) -> Tool:
    """`node("run", ...)`: msl-node with this node's settings."""
    server.register(NODE, simulated=True)
    certificate = client_certificate(NODE)
    config = tmp_path / "node.toml"
    config.write_text(
        render(
            {
                "node_id": NODE,
                "trust_clock": "always",
                "state_dir": str(tmp_path / "state"),
                "broker.port": server.broker.port,
                "broker.ca_file": str(server.broker.ca_file),
                "broker.cert_file": str(certificate.certificate),
                "broker.key_file": str(certificate.key),
                "light.source": "emulated:opt3001",
                "light.dome_share": 0.8,
                "noise.source": "emulated",
                "noise.mic_error_db": -1.3,
            }
        )
    )

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [str(BIN / "msl-node"), *words, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def msl(server: Server, tmp_path: Path) -> Tool:
    """`msl("calibration", ...)` against the test's database."""
    settings = tmp_path / "server.toml"
    settings.write_text(f'database_dsn = "{server.database.dsn_as("msl_api")}"\n')

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [str(BIN / "msl"), *words, "--settings", str(settings)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


def latest(server: Server, stream: str, name: str) -> tuple[float, float]:
    """(raw, corrected) of one value as the API gives it."""
    answer = json.loads(get(f"{server.url}/api/v1/nodes/{NODE}/latest"))
    (found,) = [
        value
        for one in answer["streams"]
        if one["stream"] == stream
        for value in one["values"]
        if value["name"] == name
    ]
    return found["raw"], found["value"]


def test_an_accepted_calibration_moves_derived_values_once_and_raw_never(
    server: Server, node: Tool, msl: Tool
) -> None:
    measured = node("run", "--fast", "--once", "-s", "run.seconds=180", "-s",
                    f"run.start_at={START}")  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    raw = {stream: server.rows(query) for stream, query in RAW.items()}
    before = {stream: server.rows(query) for stream, query in DERIVED.items()}
    assert len(raw["light"]) >= 3
    assert len(raw["noise"]) >= 3

    tone = node("calibrate", "noise", "--reference", "NC-75 no. 7", "--yes", "--json")
    lamp = node("calibrate", "light", "--reference", "T-10A no. 1", *LUX, "--yes", "--json")
    offset_db = json.loads(tone.stdout)["offset_db"]
    gain = json.loads(lamp.stdout)["gain"]
    assert offset_db == pytest.approx(1.3, abs=0.01)
    assert gain == pytest.approx(1.25, abs=0.01)
    sent = node("run", "--once", "-s", "run.seconds=1", "-s", "light.source=off", "-s",
                "noise.source=off")  # fmt: skip
    assert sent.returncode == 0, sent.stderr

    pending = json.loads(msl("calibration", "pending", "--json").stdout)
    assert {row["quantity"]: row["reference"] for row in pending} == {
        "light": "T-10A no. 1, at 5, 50, 500 lx",
        "noise": "NC-75 no. 7, 94 dB",
    }
    # Sent is not accepted: nothing has moved yet.
    assert {stream: server.rows(query) for stream, query in DERIVED.items()} == before

    for row in pending:
        accepted = msl("calibration", "accept", row["event"], "--from", START)
        assert accepted.returncode == 0, accepted.stderr
        again = msl("calibration", "accept", row["event"], "--from", START)
        assert again.returncode != 0
        assert "was accepted as calibration" in again.stderr

    assert json.loads(msl("calibration", "pending", "--json").stdout) == []
    assert {stream: server.rows(query) for stream, query in RAW.items()} == raw
    for (_, was_lx), (_, is_lx) in zip(before["light"], server.rows(DERIVED["light"]), strict=True):
        assert is_lx == pytest.approx(gain * was_lx, rel=1e-6)
    for (_, was_db), (_, is_db) in zip(before["noise"], server.rows(DERIVED["noise"]), strict=True):
        assert is_db == pytest.approx(was_db + offset_db, abs=1e-6)
    raw_lx, lux = latest(server, "light", "lux_p50")
    assert lux == pytest.approx(gain * raw_lx, rel=1e-6)
    raw_db, laeq = latest(server, "noise", "laeq")
    assert laeq == pytest.approx(raw_db + offset_db, abs=1e-6)
    assert raw_db == pytest.approx(raw["noise"][-1][2], abs=1e-4)
