"""A node on real input: a video, a WAV file and an I2C sensor, through every part to the page.

The whole way runs as a user would run it: `msl-node run --fast --once` against the real broker,
ingester, database and API. The real clip is used where it is; a generated one always.
"""

import json
import os
import subprocess
import time
import urllib.request
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.settings import render
from edge.simulate.scene import StreetScene
from server.identity.ca import CredentialFiles
from tests.e2e.conftest import BIN, Server

pytestmark = pytest.mark.e2e

NODE = "real-01"
# Yesterday's dusk: the page shows what is at most a week old.
START = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT17:00:00Z")
CLIP_S = 400
FPS = 5.0
SENS_DB = 120.0
TONE_DB = 74.0


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven minutes of a 1 kHz tone of 74 dB for a microphone whose full-scale sine is 120 dB."""
    rate = 48_000
    at_s = np.arange(rate, dtype=np.float64) / rate
    tone = 10 ** ((TONE_DB - SENS_DB) / 20) * np.sin(2 * np.pi * 1000 * at_s)
    second = (tone * 32767).round().astype("<i2").tobytes()
    path = tmp_path_factory.mktemp("wav") / "tone.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        for _ in range(7 * 60):
            out.writeframes(second)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated street, 400 s at 5 frames a second."""
    scene = StreetScene(seed=7, fps=FPS)
    path = tmp_path_factory.mktemp("clip") / "street.avi"
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (scene.width, scene.height)
    )
    for number in range(int(CLIP_S * FPS)):
        writer.write(cv2.cvtColor(scene.render(number), cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


@pytest.fixture
def run_node(
    server: Server, client_certificate: Callable[[str], CredentialFiles], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `msl-node run --once` with settings; what it said comes back with its exit code."""

    def run(settings: dict[str, object], *options: str) -> subprocess.CompletedProcess[str]:
        certificate = client_certificate(NODE)
        values = {
            "node_id": NODE,
            "trust_clock": "always",
            "state_dir": str(tmp_path / "state"),
            "broker.port": server.broker.port,
            "broker.ca_file": str(server.broker.ca_file),
            "broker.cert_file": str(certificate.certificate),
            "broker.key_file": str(certificate.key),
            "windows.footfall_s": 300,
            **settings,
        }
        config = tmp_path / "node.toml"
        config.write_text(render(values))  # type: ignore[arg-type]  # checked by load
        return subprocess.run(
            [BIN / "msl-node", "run", "--config", config, "--once", *options],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def test_a_video_a_wav_and_a_lux_sensor_reach_the_page_exactly_once(
    server: Server,
    run_node: Callable[..., subprocess.CompletedProcess[str]],
    clip: Path,
    wav: Path,
) -> None:
    server.register(NODE, simulated=False)
    done = run_node(
        {
            "run.start_at": START,
            "run.seconds": float(CLIP_S),
            "light.source": "emulated:opt3001",
            "noise.source": f"wav:{wav}",
            "footfall.source": str(clip),
        },
        "--fast",
    )
    assert done.returncode == 0, done.stderr

    assert_each_once(server)
    (crossings,) = server.rows(
        "SELECT sum(a_to_b)::int, sum(b_to_a)::int FROM footfall_line_raw WHERE node_id = %s", NODE
    )
    assert crossings == approximately(StreetScene(seed=7, fps=FPS))
    # 400 s from the full hour: one window of 300 s, and one cut short by the end of the clip.
    windows = server.rows(
        "SELECT dur_s, valid_s, flags & 1 FROM footfall_raw WHERE node_id = %s ORDER BY t", NODE
    )
    assert [partial for _, _, partial in windows] == [0, 1]
    assert windows[0][0] == 300
    assert windows[1][1] == pytest.approx(100, abs=1)
    noise = server.rows("SELECT DISTINCT round(laeq::numeric, 1) FROM noise_raw")
    assert [float(level) for (level,) in noise] == [TONE_DB]
    simulated = server.rows(
        "SELECT (SELECT bool_and(flags & 1024 <> 0) FROM light_raw),"
        " (SELECT bool_or(flags & 1024 <> 0) FROM noise_raw)"
    )
    assert simulated == [(True, False)]  # the emulated sensor says so, the WAV file is no emulation

    page, latest = get(f"{server.url}/"), json.loads(
        get(f"{server.url}/api/v1/nodes/{NODE}/latest")
    )  # fmt: skip
    assert NODE in page
    assert "SIMULATED" in page
    assert f"{TONE_DB}" in page
    values = {stream["stream"]: stream for stream in latest["streams"]}
    laeq = next(v for v in values["noise"]["values"] if v["name"] == "laeq")
    assert laeq["raw"] == pytest.approx(TONE_DB, abs=0.05)
    assert values["light"]["t"] > values["footfall"]["t"]


def test_played_at_its_own_pace_a_clip_takes_as_long_as_it_lasts(
    server: Server,
    run_node: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    clip: Path,
) -> None:
    server.register(NODE, simulated=False)
    began_s = time.monotonic()
    done = run_node({"run.seconds": 12.0, "footfall.source": str(clip)})
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began_s >= 12
    assert_each_once(server)
    ((valid_s,),) = server.rows("SELECT sum(valid_s) FROM footfall_raw")
    assert 8 < valid_s <= 13


def test_the_real_clip_is_counted_and_stored_once(
    server: Server, run_node: Callable[..., subprocess.CompletedProcess[str]], wav: Path
) -> None:
    default = Path(__file__).parents[3] / "shared" / "data"
    video = Path(os.environ.get("MSL_SHARED_DATA", default)) / "footfall" / "vtest.avi"
    if not video.is_file():
        pytest.skip(f"no {video}; set MSL_SHARED_DATA (the generated clip above always runs)")
    server.register(NODE, simulated=False)
    done = run_node(
        {
            "run.start_at": START,
            "light.source": "emulated:opt3001",
            "run.seconds": 79.5,
            "noise.source": f"wav:{wav}",
            "footfall.source": str(video),
            "footfall.unit": "px",
            "footfall.lines": ["main:310,180,310,575"],
        },
        "--fast",
    )
    assert done.returncode == 0, done.stderr
    assert_each_once(server)
    ((a_to_b, b_to_a, valid_s, flags),) = server.rows(
        "SELECT sum(l.a_to_b)::int, sum(l.b_to_a)::int, sum(valid_s), bit_or(flags)"
        " FROM footfall_raw JOIN footfall_line_raw l USING (t, node_id, spool, seq)"
    )
    # 32 crossings by hand, 20 % net error allowed to background subtraction.
    assert a_to_b + b_to_a == pytest.approx(32, abs=6.4)
    assert valid_s == pytest.approx(79.5, abs=1)
    assert flags & 1  # PARTIAL: the clip is shorter than a window


def approximately(scene: StreetScene) -> object:
    """The scene's true crossings of its line, within 20 % and one person."""
    width, height = scene.width, scene.height
    # The node's default line, from the top to the bottom of the picture's middle.
    line = (0.5 * width, 0.1 * height, 0.5 * width, 0.95 * height)
    ways = [c.direction for c in scene.crossings(line, int(CLIP_S * FPS))]
    counts = [ways.count("a_to_b"), ways.count("b_to_a")]
    return pytest.approx(tuple(counts), rel=0.2, abs=1.0)


def assert_each_once(server: Server) -> None:
    """Everything the spool ever numbered is stored, each once, nothing is missing."""
    ledger = server.rows(
        "SELECT stream, complete_to(ledger), stored::text, rejected::text, held::text, lost::text"
        " FROM ledger ORDER BY stream"
    )
    assert server.rows("SELECT count(*) FROM ledger_gap") == [(0,)]
    assert ledger
    for stream, complete_to, stored, *others in ledger:
        assert stored == f"{{[1,{complete_to + 1})}}", stream
        assert others == ["{}", "{}", "{}"], stream
        assert server.rows(
            f"SELECT count(*), count(DISTINCT (spool, seq)) FROM {stream}_raw"
        ) == [(complete_to, complete_to)]  # fmt: skip


def get(url: str) -> str:
    """A page's text; the server has had time enough to start."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text
