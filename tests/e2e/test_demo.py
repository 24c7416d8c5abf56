"""`msl demo` as a newcomer runs it: ready, then gone without a trace."""

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import BIN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def demo(data_dir: Path, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / "msl", "demo", "--data-dir", data_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environ},
    )


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Fail when a process that names the test's folder outlives the test."""
    yield
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(tmp_path) in word for word in process.info["cmdline"] or [])
    ]
    assert left == []


@pytest.mark.usefixtures("nothing_left")
def test_with_exit_asked_for_it_ends_with_0_after_ready(tmp_path: Path) -> None:
    process = demo(tmp_path, MSL_DEMO_EXIT="1")
    output, _ = process.communicate(timeout=380)
    assert process.returncode == 0, output
    assert re.search(r"^ready: http://127\.0\.0\.1:\d+$", output, re.MULTILINE), output
    assert "station-02 is live" in output


@pytest.mark.usefixtures("nothing_left")
def test_it_serves_until_ctrl_c_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = demo(tmp_path)
    assert process.stdout is not None
    url = None
    for line in process.stdout:
        if line.startswith("ready: "):
            url = line.removeprefix("ready: ").strip()
            break
    assert url is not None, "the demo ended before it was ready"
    with urllib.request.urlopen(url, timeout=20) as answer:
        page = answer.read().decode()
    assert page.count("SIMULATED") >= 6
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(60) == 0, rest
    process.stdout.close()


@pytest.mark.usefixtures("nothing_left")
def test_a_part_that_dies_is_named_and_ends_it_with_1(tmp_path: Path) -> None:
    process = demo(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting for their first records" in line:
            break
    victim = next(
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.cmdline()[-2:-1] == [str(BIN / "msl")] and child.cmdline()[-1] == "ingest"
    )
    victim.kill()
    rest = process.stdout.read()
    assert process.wait(60) == 1
    assert "ingest ended with signal SIGKILL" in rest
    process.stdout.close()
