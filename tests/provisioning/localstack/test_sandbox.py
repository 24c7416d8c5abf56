"""What the kernel allows, asked for real: without user namespaces, and as root without them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from provisioning.localstack import LocalStack, sandbox
from provisioning.localstack.errors import NoSandbox
from provisioning.localstack.locks import lock_within

pytestmark = pytest.mark.db

_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")

# One namespace deep, the kernel is told to allow one more and no other; the program then runs as
# an ordinary user who has used that one up.
_NO_NAMESPACES = (
    "echo 1 > /proc/sys/user/max_user_namespaces;"
    ' exec unshare --user --map-user=1000 "$0" -m provisioning.localstack doctor'
)

_ROOT_CHANGES_USER = """
import sys, time
from pathlib import Path
from provisioning.localstack import LocalStack, sandbox
sandbox.has_user_namespaces = lambda bwrap: False
with LocalStack(Path(sys.argv[1]), persistent=True) as stack:
    stack.postgres.kill(); stack.postgres.start()
    print(stack.postgres.pid, stack.postgres.run("psql", "-Atc", "SELECT 1"), flush=True)
    time.sleep(60)
"""

_START = """
import sys
from pathlib import Path
from provisioning.localstack import LocalStack, StackError, stack
stack._NEEDED_BYTES = int(sys.argv[2])
try:
    LocalStack(Path(sys.argv[1])).start()
except StackError as error:
    print(type(error).__name__, error)
"""


def test_a_plain_user_without_user_namespaces_is_told_what_to_try(stack: LocalStack) -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", _NO_NAMESPACES, sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "uid 1000 has neither user namespaces nor root's right to mount" in done.stdout
    assert "sysctl user.max_user_namespaces" in done.stdout


def test_a_refusing_bubblewrap_is_quoted(tmp_path: Path) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    with pytest.raises(NoSandbox, match="setting up uid map: Permission denied"):
        sandbox.has_user_namespaces(str(bwrap))


@_needs_root
def test_root_without_user_namespaces_really_changes_the_user(
    stack: LocalStack, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _ROOT_CHANGES_USER, str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pid, answer = process.stdout.readline().split()
    assert answer == "1"
    postgres_uid = stack.postgres.sandbox.packages.uid_gid("postgres")[0]
    assert psutil.Process(int(pid)).uids().real == postgres_uid
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    lock = lock_within(tmp_path / "data/stack.lock", 5)
    assert lock is not None, "a server outlived its parent"
    os.close(lock)
    assert not psutil.pid_exists(int(pid))


@pytest.mark.parametrize(
    ("needed_bytes", "says"),
    [
        (200_000_000, "MB free, the stack needs 200 MB to start"),
        (0, "initdb ended with 1"),  # room enough to begin, not to finish
    ],
)
def test_a_full_data_disk_is_no_riddle(
    stack: LocalStack, tmp_path: Path, needed_bytes: int, says: str
) -> None:
    done = subprocess.run(
        [stack.postgres.sandbox.bwrap, "--bind", "/", "/", "--dev-bind", "/dev", "/dev",
         "--size", "30000000", "--tmpfs", str(tmp_path),
         sys.executable, "-c", _START, str(tmp_path / "data"), str(needed_bytes)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("DiskFull "), done.stderr
    assert says in done.stdout
