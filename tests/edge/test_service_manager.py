"""What systemd hears: ready, and a watchdog that only a node that senses feeds."""

import socket
from pathlib import Path

import pytest

from edge.service_manager import ServiceManager


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_states_arrive_as_datagrams(tmp_path: Path, abstract: bool) -> None:
    name = f"msl-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name if abstract else name)
        systemd.settimeout(5)
        manager = ServiceManager("@" + name if abstract else name)
        manager.ready()
        manager.alive()
        manager.stopping()
        assert [systemd.recv(64) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_the_address_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        ServiceManager().ready()
        assert systemd.recv(64) == b"READY=1"


def test_without_systemd_or_with_a_dead_socket_nothing_happens(tmp_path: Path) -> None:
    ServiceManager("").alive()
    ServiceManager(str(tmp_path / "gone")).alive()
