"""Programs of the host that the stack needs: found on PATH, or installed where we may."""

import os
import shutil
import subprocess

from provisioning.localstack.errors import MissingTool
from provisioning.localstack.progress import Say

# Debian package by program. uidmap lets a plain user build the root; apt would only recommend it.
_DEBIAN_PACKAGES = {
    "bwrap": ["bubblewrap"],
    "mmdebstrap": ["mmdebstrap", "uidmap", "debian-archive-keyring"],
    "tar": ["tar"],
}


def find(program: str, say: Say) -> str:
    """Path of `program`; installed first by apt when it is absent and we are root.

    Raises:
        MissingTool: it is absent and can't be installed.
    """
    path = shutil.which(program)
    if path is None and _may_install():
        _install(_DEBIAN_PACKAGES[program], say)
        path = shutil.which(program)
    if path is None:
        packages = " ".join(_DEBIAN_PACKAGES[program])
        raise MissingTool(
            f"{program} not found on PATH and not installable as uid {os.geteuid()};"
            f" try: sudo apt-get install {packages}"
        )
    return path


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(packages: list[str], say: Say) -> None:
    say(f"installing {' '.join(packages)} by apt-get (once on this machine) ...")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for args in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", *args], env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
            raise MissingTool(
                f"apt-get {args[0]} ended with {done.returncode}: {' / '.join(last)};"
                f" try: apt-get update && apt-get install {' '.join(packages)}"
            )
