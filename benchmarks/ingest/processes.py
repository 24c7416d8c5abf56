"""`msl ingest` and `msl serve` as they run in production, beside the benchmark's stack."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ingest.city import City
from provisioning.localstack.ports import free_port

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def ingester(city: City) -> "Iterator[subprocess.Popen[bytes]]":
    """`msl ingest` with its default settings, until the block ends."""
    access = city.access("srv-ingest")
    own = {
        "MSL_DATABASE_DSN": city.dsn(),
        "MSL_BROKER_PORT": str(access.port),
        "MSL_BROKER_CA_FILE": str(access.ca_file),
        "MSL_BROKER_CERT_FILE": str(access.cert_file),
        "MSL_BROKER_KEY_FILE": str(access.key_file),
        "MSL_INGEST_METRICS_PORT": str(free_port()),
    }
    with _running("ingest", own) as process:
        yield process


@contextlib.contextmanager
def api(city: City) -> Iterator[str]:
    """`msl serve`; its URL, once it answers."""
    port = free_port()
    own = {
        "MSL_DATABASE_DSN": city.dsn("msl_api"),
        "MSL_SERVE_PORT": str(port),
        "MSL_SERVE_METRICS_PORT": str(free_port()),
    }
    with _running("serve", own):
        url = f"http://127.0.0.1:{port}"
        until_s = time.monotonic() + 60
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{url}/api/v1/nodes/{city.nodes[0]}/latest", timeout=5)
                break
            if time.monotonic() > until_s:
                raise RuntimeError("msl serve didn't answer within 60 s")
            time.sleep(0.1)
        yield url


def peak_rss_bytes(pid: int) -> int:
    """The most memory that a process has held since it began (VmHWM, proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} says no VmHWM")


@contextlib.contextmanager
def _running(command: str, own: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", command],
        cwd=ROOT, env=os.environ | own, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
