"""Where PostgreSQL, TimescaleDB and Mosquitto come from: the host's own, or a private root."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioning.localstack import private_root
from provisioning.localstack.errors import HostTooOld
from provisioning.localstack.progress import Say

MIN_POSTGRES_MAJOR = 17
# Earlier brokers open up on a garbled ACL reload and mind the mode of their key files less.
MIN_MOSQUITTO = (2, 0, 21)

Origin = Literal["auto", "host", "private"]


@dataclass(frozen=True, kw_only=True)
class Packages:
    """A file tree that holds the servers. Program paths are as seen inside the tree."""

    root: Path
    postgres_bin: Path
    mosquitto: Path

    @property
    def is_host(self) -> bool:
        """Whether the tree is the host's own."""
        return self.root == Path("/")

    def uid_gid(self, user: str) -> tuple[int, int]:
        """User and group id of `user` in the tree's own passwd file."""
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == user:
                return int(uid), int(gid)
        raise HostTooOld(f"no user {user!r} in {self.root}/etc/passwd; reinstall its package")


def locate(origin: Origin, say: Say) -> Packages:
    """The host's packages when they are new enough, else a private root, built if need be.

    Raises:
        HostTooOld: `origin` is "host" and the host's packages won't do.
        StackError: what `private_root.ensure` raises.
    """
    if origin != "private":
        found = host_packages()
        if isinstance(found, Packages):
            return found
        if origin == "host":
            raise HostTooOld(f"{found}; leave the choice to the stack, or install newer packages")
    return in_tree(private_root.ensure(say))


def in_tree(root: Path) -> Packages:
    """The servers of a private root."""
    postgres_bin = _newest_postgres(root)
    if postgres_bin is None:
        raise HostTooOld(f"no PostgreSQL in {root}; remove that folder and start again")
    return Packages(root=root, postgres_bin=postgres_bin, mosquitto=Path("/usr/sbin/mosquitto"))


def host_packages(root: Path = Path("/")) -> Packages | str:
    """The host's own servers, or a sentence that says what it lacks."""
    postgres_bin = _newest_postgres(root)
    if postgres_bin is None:
        return "host has no PostgreSQL under /usr/lib/postgresql"
    major = int(postgres_bin.parent.name)
    if major < MIN_POSTGRES_MAJOR:
        return f"host has PostgreSQL {major}, the stack needs {MIN_POSTGRES_MAJOR}"
    library = root / f"usr/lib/postgresql/{major}/lib/timescaledb.so"
    if not library.exists():
        return f"host has PostgreSQL {major} without TimescaleDB ({library} is missing)"
    mosquitto = Path("/usr/sbin/mosquitto")
    version = _mosquitto_version(root / "usr/sbin/mosquitto")
    if version is None:
        return "host has no Mosquitto at /usr/sbin/mosquitto"
    if version < MIN_MOSQUITTO:
        return f"host has Mosquitto {_dotted(version)}, the stack needs {_dotted(MIN_MOSQUITTO)}"
    return Packages(root=root, postgres_bin=postgres_bin, mosquitto=mosquitto)


def _newest_postgres(root: Path) -> Path | None:
    """`/usr/lib/postgresql/<major>/bin` of the highest major version that has a server."""
    servers = (root / "usr/lib/postgresql").glob("*/bin/postgres")
    majors = [int(path.parts[-3]) for path in servers if path.parts[-3].isdigit()]
    return Path(f"/usr/lib/postgresql/{max(majors)}/bin") if majors else None


def _mosquitto_version(program: Path) -> tuple[int, ...] | None:
    if not os.access(program, os.X_OK):
        return None
    # `mosquitto -h` prints its version and ends with 3 in the 2.0 series.
    said = subprocess.run([str(program), "-h"], capture_output=True, text=True, check=False)
    match = re.search(r"mosquitto version (\d+)\.(\d+)\.(\d+)", said.stdout + said.stderr)
    return tuple(int(part) for part in match.groups()) if match else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
