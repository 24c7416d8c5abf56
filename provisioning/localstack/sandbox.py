"""Run a server from a file tree under bubblewrap, as its own user, and let it die with us.

PostgreSQL refuses to run as root, so it runs as the tree's `postgres`: mapped onto the caller
by a user namespace where the kernel has them, else, as root, really changed to that user.
A process namespace of its own makes "kill the whole server" one signal: bubblewrap's reaper is
process 1 in there and takes all others along. It stays the caller's own user, so that the death
signal of its parent reaches it, which a process that changed its user would never get.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioning.localstack import tools
from provisioning.localstack.errors import NoSandbox
from provisioning.localstack.packages import Packages
from provisioning.localstack.progress import Say

# What every server needs. In a container that masks parts of /proc, a user namespace may exist and
# still not mount a /proc of its own.
_PROBE = ("--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "true")


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """How to start programs of `packages` here."""

    bwrap: str
    packages: Packages
    user_namespaces: bool

    def command(
        self, argv: Sequence[str | Path], *, user: str, writable: Path, info_fd: int | None = None
    ) -> list[str]:
        """The command line that runs `argv` as `user`, with `writable` as its one writable folder.

        `writable` has the same path inside and outside. `info_fd` gets bubblewrap's JSON with the
        id of the namespace's process 1, whose one child is the program.
        """
        uid, gid = self.packages.uid_gid(user)
        line = [self.bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        line += ["--die-with-parent", *self._tree(), "--proc", "/proc", "--dev", "/dev"]
        for folder in ("/dev/shm", "/tmp", "/run"):  # noqa: S108
            line += ["--perms", "1777", "--tmpfs", folder]
        line += [*self._way_to(writable), "--bind", str(writable), str(writable)]
        path = f"{self.packages.postgres_bin}:/usr/bin:/usr/sbin:/bin:/sbin"
        line += ["--chdir", str(writable), "--clearenv", "--setenv", "PATH", path]
        line += ["--setenv", "LANG", "C.UTF-8"]
        if info_fd is not None:
            line += ["--info-fd", str(info_fd)]
        inner = [str(part) for part in argv]
        if self.user_namespaces:
            return [*line, "--unshare-user", "--uid", str(uid), "--gid", str(gid), "--", *inner]
        become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        return [*line, "--", *become, "--", *inner]

    def own(self, folder: Path, *, user: str) -> None:
        """Give `folder` to `user` where the change of user is a real one."""
        if self.user_namespaces:
            return
        uid, gid = self.packages.uid_gid(user)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)

    def _way_to(self, folder: Path) -> list[str]:
        """Open the folders above `folder`: bubblewrap makes them 0700, for root's eyes only."""
        if self.user_namespaces:
            return []
        above = list(reversed(folder.parents))[1:]
        return [word for path in above for word in ("--perms", "0755", "--dir", str(path))]

    def _tree(self) -> list[str]:
        root = self.packages.root
        if self.packages.is_host:
            return ["--ro-bind", "/", "/"]
        tree = ["--ro-bind", str(root / "usr"), "/usr", "--ro-bind", str(root / "etc"), "/etc"]
        for name in ("bin", "sbin", "lib", "lib64"):
            tree += ["--symlink", f"usr/{name}", f"/{name}"]
        return tree


def find(packages: Packages, say: Say) -> Sandbox:
    """The sandbox that this kernel and user allow.

    Raises:
        NoSandbox: neither user namespaces nor root's rights are there.
        MissingTool: bubblewrap is absent and can't be installed.
    """
    bwrap = tools.find("bwrap", say)
    return Sandbox(bwrap=bwrap, packages=packages, user_namespaces=has_user_namespaces(bwrap))


def has_user_namespaces(bwrap: str) -> bool:
    """Whether a server's user can be mapped onto ours; False means that root must really change.

    Raises:
        NoSandbox: neither way is open.
    """
    refused = _refusal([bwrap, "--unshare-user", "--uid", "1", *_PROBE])
    if refused is None:
        return True
    if os.geteuid() == 0:
        refused = _refusal([bwrap, *_PROBE])
        if refused is None:
            return False
    raise NoSandbox(
        f"uid {os.geteuid()} has neither user namespaces nor root's right to mount ({refused});"
        " try as root: sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1,"
        " or run on a host that allows them"
    )


def _refusal(probe: list[str]) -> str | None:
    """What bubblewrap says against `probe`, or None when it works."""
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"
