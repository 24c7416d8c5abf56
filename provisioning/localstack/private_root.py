"""A private Debian root with the servers in it: built once by mmdebstrap, then kept in the cache.

No mirror is named: mmdebstrap takes Debian's default and the host's own apt proxy settings.
The tree is unpacked as the caller's own files (no set-uid bits, no device nodes), so the same
code serves root and a plain user, and removing the folder is all it takes to be rid of it.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from provisioning.localstack import tools
from provisioning.localstack.cache import cache_dir
from provisioning.localstack.errors import (
    BuildFailed,
    DiskFull,
    HostTooOld,
    NoNetwork,
    StackError,
)
from provisioning.localstack.locks import waiting_lock
from provisioning.localstack.progress import Say

SUITE = "trixie"
# docker-compose is here for its `config` alone: it checks our file without an engine.
PACKAGES = ("postgresql-17-timescaledb", "mosquitto", "mosquitto-clients", "docker-compose")
# Raise when the way of building changes, so that roots built the old way are left alone.
LAYOUT_VERSION = 1

# Measured: 430 MB unpacked here, 480 MB where mmdebstrap works, 130 MB of packages.
NEEDED_BYTES = 700_000_000

_PROOF = ("usr/sbin/mosquitto", "usr/lib/postgresql/17/bin/postgres", "usr/bin/docker-compose")
_KEPT = ("./usr", "./etc", "./var/lib/dpkg/status")
_NO_ROOM = ("no space left on device", "disk quota exceeded", "don't have enough free space")
_NO_NETWORK = (
    "temporary failure resolving",
    "could not resolve",
    "could not connect",
    "unable to connect",
    "network is unreachable",
    "connection timed out",
    "connection refused",
    "connection failed",
)
_OLD_KEYS = ("no_pubkey", "signatures couldn't be verified", "is not signed")


def ensure(say: Say) -> Path:
    """Folder of a whole private root; built first when the cache has none.

    A root that is half-built or has lost its servers is removed and built anew. Callers that
    come while another builds wait for it.

    Raises:
        StackError: `NoNetwork`, `DiskFull`, `HostTooOld`, `MissingTool` or `BuildFailed`.
    """
    root = root_path()
    if is_whole(root):
        return root
    _make_cache_dir(root.parent)
    with waiting_lock(
        root.with_suffix(".lock"),
        lambda: say("another process builds the private root; waiting for it ..."),
    ):
        if not is_whole(root):
            _rebuild(root, say)
    return root


def root_path() -> Path:
    """Where the root for this list of packages is, built or not."""
    what = "\n".join([SUITE, *PACKAGES, platform.machine(), str(LAYOUT_VERSION)])
    return cache_dir() / f"root-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def is_whole(root: Path) -> bool:
    """Whether `root` was built to the end and still has its servers."""
    return all((root / name).is_file() for name in _PROOF)


def _make_cache_dir(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildFailed(
            f"cache folder {folder} can't be made: {error.strerror}; set XDG_CACHE_HOME"
        ) from error


def _rebuild(root: Path, say: Say) -> None:
    building = root.with_name(f"{root.name}.building")
    for leftover in (root, building):
        if leftover.exists():
            say(f"removing a half-built root: {leftover}")
            shutil.rmtree(leftover)
    _check_room(root.parent)
    started_s = time.monotonic()
    say(f"building the private root in {root} (once; about 500 MB, half a minute) ...")
    building.mkdir()
    try:
        _build(building, say)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    building.rename(root)
    say(f"private root built in {time.monotonic() - started_s:.0f} s")


def _check_room(folder: Path) -> None:
    for place in (folder, Path(tempfile.gettempdir())):
        free_bytes = shutil.disk_usage(place).free
        if free_bytes < NEEDED_BYTES:
            raise DiskFull(
                f"{place} has {free_bytes // 10**6} MB free, building the private root needs"
                f" {NEEDED_BYTES // 10**6} MB; free some, or set XDG_CACHE_HOME or TMPDIR"
            )


def _build(into: Path, say: Say) -> None:
    """Stream mmdebstrap's tar into `into`."""
    build = subprocess.Popen(
        _mmdebstrap_command(tools.find("mmdebstrap", say)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
    )
    assert build.stdout is not None
    assert build.stderr is not None
    lines: list[str] = []
    relay = threading.Thread(target=_relay, args=(build.stderr, lines, say), daemon=True)
    relay.start()
    try:
        unpack = subprocess.run(
            [tools.find("tar", say), "-x", "-C", str(into), "--no-same-owner",
             "--no-same-permissions", *_KEPT],
            stdin=build.stdout, capture_output=True, text=True, check=False,
        )  # fmt: skip
        build.stdout.close()
        status = build.wait()
    finally:
        if build.poll() is None:
            build.terminate()
            build.wait()
        relay.join(timeout=5)
        build.stderr.close()
    if status != 0 or unpack.returncode != 0 or not is_whole(into):
        raise explain([*lines, *unpack.stderr.splitlines()], status)


def _mmdebstrap_command(mmdebstrap: str) -> list[str]:
    no_cluster = (
        'mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false"'
        ' > "$1/etc/postgresql-common/createcluster.conf"'
    )
    # Manuals and translations would be a quarter of the files; nobody reads them here.
    leave_out = [
        f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")
    ]
    return [
        mmdebstrap, "--variant=apt", "--mode=auto", "--format=tar",
        f"--include={','.join(PACKAGES)}", f"--essential-hook={no_cluster}", *leave_out,
        SUITE, "-",
    ]  # fmt: skip


def _relay(stream: IO[bytes], lines: list[str], say: Say) -> None:
    """Pass mmdebstrap's own progress on, and keep everything for the error message."""
    for raw in stream:
        line = raw.decode(errors="replace").strip()
        lines.append(line)
        if line.startswith("I: ") and not line.startswith("I: running --"):
            say(f"  {line[3:]}")


def explain(lines: list[str], status: int) -> StackError:
    """The error that a failed build's own words stand for."""
    if line := _first(lines, _NO_ROOM):
        return DiskFull(f"no room left while building the private root: {line}; free some space")
    if line := _first(lines, _NO_NETWORK):
        return NoNetwork(
            f"the Debian archive can't be reached for the first build: {line};"
            " check the network and the host's apt proxy, later starts need neither"
        )
    if line := _first(lines, _OLD_KEYS):
        return HostTooOld(
            f"the host's keys don't cover Debian {SUITE}: {line};"
            " try: apt-get install debian-archive-keyring"
        )
    errors = [line for line in lines if line.startswith(("E: ", "W: ", "tar: "))] or lines
    last = " / ".join(errors[-3:])
    return BuildFailed(f"mmdebstrap ended with {status}: {last or 'without a word'}")


def _first(lines: list[str], signs: tuple[str, ...]) -> str | None:
    """The first line that carries one of `signs`."""
    return next((line for line in lines if any(sign in line.lower() for sign in signs)), None)
