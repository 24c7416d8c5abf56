"""Nothing is left behind: not after Ctrl-C, not after a SIGKILL, not when a thread ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from provisioning.localstack import LocalStack, Postgres
from provisioning.localstack.errors import DataDirInUse, PortTaken
from provisioning.localstack.locks import lock_within, try_lock

pytestmark = pytest.mark.db


@pytest.fixture
def stack_in_front(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m provisioning.localstack up` on `tmp_path`, serving."""
    process = subprocess.Popen(
        [sys.executable, "-m", "provisioning.localstack", "up", "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgres: postgresql://postgres:")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def _servers(data_dir: Path) -> list[psutil.Process]:
    """Every process whose command line names the data folder, other than the one in front."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(data_dir) in line and "provisioning.localstack" not in line:
            found.append(process)
    return found


def test_a_sigkill_of_the_parent_takes_the_servers_along(
    stack_in_front: subprocess.Popen[str], tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    assert _servers(data_dir)
    stack_in_front.send_signal(signal.SIGKILL)
    stack_in_front.wait()
    lock = lock_within(data_dir / "stack.lock", 5)  # the last process to go lets it go
    assert lock is not None
    os.close(lock)
    assert _servers(data_dir) == []
    with LocalStack(data_dir, persistent=True) as again:
        assert again.postgres.run("psql", "-Atc", "SELECT 1").strip() == "1"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(
    stack_in_front: subprocess.Popen[str], tmp_path: Path, sig: signal.Signals
) -> None:
    stack_in_front.send_signal(sig)
    assert stack_in_front.wait(timeout=30) == 0
    assert _servers(tmp_path / "data") == []
    assert "database system is shut down" in (tmp_path / "data/postgres.log").read_text()


def test_a_running_stacks_folder_is_refused(
    stack_in_front: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.localstack.stack._PREDECESSOR_GONE_S", 0.1)
    assert stack_in_front.poll() is None
    with pytest.raises(DataDirInUse, match="another stack runs on"):
        LocalStack(tmp_path / "data", persistent=True).start()


def test_a_thread_that_ends_does_not_take_the_server_it_started(postgres: Postgres) -> None:
    postgres.stop()
    thread = threading.Thread(target=postgres.start)
    thread.start()
    thread.join()
    time.sleep(0.5)
    assert postgres.running
    assert postgres.run("psql", "-Atc", "SELECT 1").strip() == "1"


def test_a_taken_port_is_named(tmp_path: Path, postgres: Postgres) -> None:
    taken = LocalStack(tmp_path / "data", postgres_port=postgres.port)
    with pytest.raises(PortTaken, match=f"port {postgres.port} for postgres"), taken:
        pass
    assert not (tmp_path / "data").exists()


def test_a_foreign_folder_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataDirInUse, match="would be emptied"), LocalStack(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    held = try_lock(tmp_path / "lock")
    assert held is not None
    assert try_lock(tmp_path / "lock") is None
    os.close(held)
