"""File locks that die with their holder, so that a crash never leaves one behind."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_S = 0.05


def try_lock(path: Path) -> int | None:
    """Take an exclusive lock on `path` and return its file descriptor, or None when it is held.

    The descriptor may be handed to child processes: the lock lasts until the last of them ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if not _is_still(fd, path):  # its holder removed the folder while we were on our way in
        os.close(fd)
        return None
    return fd


def _is_still(fd: int, path: Path) -> bool:
    try:
        return path.stat().st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


def lock_within(path: Path, timeout_s: float) -> int | None:
    """As `try_lock`, but wait up to `timeout_s` for a holder that is on its way out."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        fd = try_lock(path)
        if fd is not None or time.monotonic() >= deadline_s:
            return fd
        time.sleep(_POLL_S)


@contextlib.contextmanager
def waiting_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on `path`, waiting as long as it takes; `on_wait` is called once if it does."""
    fd = try_lock(path)
    if fd is None:
        on_wait()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)
