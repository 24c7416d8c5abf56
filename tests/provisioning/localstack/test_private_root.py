"""Building the private root: what mmdebstrap says and does is faked on PATH, the rest is real."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.localstack import private_root
from provisioning.localstack.errors import (
    BuildFailed,
    DiskFull,
    HostTooOld,
    MissingTool,
    NoNetwork,
    StackError,
)

Fake = Callable[[str], None]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def fake_mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """`fake_mmdebstrap("echo E: no >&2; exit 25")`: that shell script is mmdebstrap now."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # What is faked here needs no room; the true need is tested where it says so.
    monkeypatch.setattr(private_root, "NEEDED_BYTES", 1_000_000)

    def install(script: str) -> None:
        program = programs / "mmdebstrap"
        program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\n{script}\n")
        program.chmod(0o755)

    return install


@pytest.fixture
def whole_tar(tmp_path: Path) -> Path:
    """A tar that has all a root must have, as mmdebstrap would write it."""
    tree = tmp_path / "tree"
    for name in (*private_root._PROOF, "etc/passwd", "var/lib/dpkg/status"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("x")
    with tarfile.open(tmp_path / "whole.tar", "w") as tar:
        tar.add(tree, arcname=".")
    return tmp_path / "whole.tar"


def _runs(tmp_path: Path) -> int:
    runs = tmp_path / "runs"
    return len(runs.read_text().splitlines()) if runs.exists() else 0


def test_a_built_root_is_kept(
    fake_mmdebstrap: Fake, whole_tar: Path, said: list[str], tmp_path: Path
) -> None:
    fake_mmdebstrap(f"cat {whole_tar}; echo 'I: downloading packages' >&2")
    root = private_root.ensure(said.append)
    assert private_root.is_whole(root)
    assert "  downloading packages" in said
    assert private_root.ensure(said.append) == root
    assert _runs(tmp_path) == 1


def test_a_root_that_lost_a_server_is_built_anew(
    fake_mmdebstrap: Fake, whole_tar: Path, said: list[str], tmp_path: Path
) -> None:
    fake_mmdebstrap(f"cat {whole_tar}")
    root = private_root.ensure(said.append)
    (root / "usr/sbin/mosquitto").unlink()
    assert private_root.is_whole(private_root.ensure(said.append))
    assert any(line.startswith("removing a half-built root") for line in said)
    assert _runs(tmp_path) == 2


def test_what_a_killed_build_left_is_removed(
    fake_mmdebstrap: Fake, whole_tar: Path, said: list[str]
) -> None:
    fake_mmdebstrap(f"cat {whole_tar}")
    building = private_root.root_path().with_name(f"{private_root.root_path().name}.building")
    (building / "usr").mkdir(parents=True)
    (building / "usr/half").write_text("x")
    root = private_root.ensure(said.append)
    assert said[0] == f"removing a half-built root: {building}"
    assert not building.exists()
    assert not (root / "usr/half").exists()


def test_a_build_that_ends_early_leaves_no_root(fake_mmdebstrap: Fake, said: list[str]) -> None:
    fake_mmdebstrap("exit 0")
    with pytest.raises(BuildFailed, match="tar: "):
        private_root.ensure(said.append)
    assert [path.suffix for path in private_root.root_path().parent.iterdir()] == [".lock"]


def test_two_builders_build_once(fake_mmdebstrap: Fake, whole_tar: Path, tmp_path: Path) -> None:
    fake_mmdebstrap(f"sleep 0.5; cat {whole_tar}")
    one = (
        "from provisioning.localstack import private_root as r; r.NEEDED_BYTES = 1; r.ensure(print)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", one], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert _runs(tmp_path) == 1
    assert sum("another process builds the private root" in text for text in printed) == 1


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ("Temporary failure resolving 'deb.invalid'", NoNetwork, "check the network.*proxy"),
        ("Could not connect to 127.0.0.1:3142 (127.0.0.1)", NoNetwork, "Could not connect"),
        ("NO_PUBKEY 6ED0E7B82643E131", HostTooOld, "apt-get install debian-archive-keyring"),
        ("write error: No space left on device", DiskFull, "free some space"),
        ("unmet dependencies", BuildFailed, "mmdebstrap ended with 25: E: unmet dependencies"),
    ],
)
def test_why_a_build_failed_is_said(
    fake_mmdebstrap: Fake, said: list[str], words: str, error: type[StackError], match: str
) -> None:
    fake_mmdebstrap(f'echo "E: {words}" >&2; exit 25')
    with pytest.raises(error, match=match):
        private_root.ensure(said.append)


def test_a_small_disk_is_refused_before_the_download(
    fake_mmdebstrap: Fake, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_mmdebstrap("exit 0")
    monkeypatch.setattr(private_root, "NEEDED_BYTES", shutil.disk_usage(tmp_path).total)
    with pytest.raises(DiskFull, match=r"MB free, building the private root needs \d+ MB"):
        private_root.ensure(said.append)
    assert _runs(tmp_path) == 0


@pytest.mark.db  # the stack's own bubblewrap gives a full disk without any rights
def test_a_disk_that_fills_up_in_the_middle_is_said(
    stack: object, fake_mmdebstrap: Fake, whole_tar: Path, tmp_path: Path
) -> None:
    big = tmp_path / "tree/usr/big"
    with big.open("wb") as file:
        file.truncate(20_000_000)
    with tarfile.open(whole_tar, "w") as tar:
        tar.add(tmp_path / "tree", arcname=".")
    fake_mmdebstrap(f"cat {whole_tar}")
    cache = tmp_path / "cache"
    cache.mkdir()
    build = (
        "from provisioning.localstack import private_root as r; r.NEEDED_BYTES = 1;"
        "from provisioning.localstack.errors import DiskFull\n"
        "try: r.ensure(print)\n"
        "except DiskFull as e: print('DISK FULL', e)"
    )
    done = subprocess.run(
        ["bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--size", "4000000",
         "--tmpfs", str(cache), sys.executable, "-c", build],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "DISK FULL no room left while building the private root" in done.stdout, done.stderr


def test_a_missing_mmdebstrap_names_its_package(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(MissingTool, match=r"mmdebstrap not found .* apt-get install mmdebstrap"):
        private_root.ensure(said.append)
