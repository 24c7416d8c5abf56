"""One server process in its sandbox: started, signalled, waited for, and never left behind."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from provisioning.localstack.errors import DiskFull, PortTaken, ServerDied
from provisioning.localstack.sandbox import Sandbox

_POLL_S = 0.02
_LOG_TAIL_LINES = 8

# The kernel's death signal comes when the *thread* that started a child ends, not its process;
# one thread that lives as long as the process starts them all, whoever asks.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="localstack-parent")


@dataclass(kw_only=True)
class Child:
    """A server that runs in `sandbox` as `user`, writes only below `folder`, logs to `log`."""

    name: str
    sandbox: Sandbox
    user: str
    folder: Path
    log: Path
    lock_fd: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _reaper: psutil.Process | None = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the server itself, as the host sees it; 0 when there is none."""
        try:
            children = self._reaper.children() if self._reaper else []
        except psutil.NoSuchProcess:
            children = []
        return children[0].pid if children else 0

    def start(self, argv: Sequence[str | Path]) -> None:
        """Start `argv`; it is up, though not yet ready, when this returns.

        Raises:
            ServerDied: the sandbox or the program ended at once.
        """
        if self.running:
            raise ServerDied(f"{self.name} already runs as process {self.pid}; stop it first")
        _starter.submit(self._spawn, argv).result()

    def _spawn(self, argv: Sequence[str | Path]) -> None:
        read_fd, write_fd = os.pipe()
        try:
            command = self.sandbox.command(
                argv, user=self.user, writable=self.folder, info_fd=write_fd
            )
            with self.log.open("ab") as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C in the terminal is for us; we stop the servers in our own order.
                    start_new_session=True,
                    # The data folder's lock outlives us for as long as the server does.
                    pass_fds=(write_fd, self.lock_fd),
                )
        finally:
            os.close(write_fd)
        with os.fdopen(read_fd, "rb") as info:
            self._reaper = self._find_reaper(info.read())

    def _find_reaper(self, info: bytes) -> psutil.Process:
        try:
            return psutil.Process(int(json.loads(info)["child-pid"]))
        except (ValueError, KeyError, psutil.NoSuchProcess) as error:
            assert self._process is not None
            status = self._process.wait()
            raise self.death(f"sandbox ended with {status}") from error

    def wait_ready(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until `is_ready()`; kill the server if it isn't in time.

        Raises:
            PortTaken, DiskFull, ServerDied: by what the log says.
        """
        deadline_s = time.monotonic() + timeout_s
        while not is_ready():
            if not self.running:
                raise self.death("ended before it was ready")
            if time.monotonic() > deadline_s:
                self.kill()
                raise self.death(f"not ready after {timeout_s:.0f} s")
            time.sleep(_POLL_S)

    def stop(self, sig: signal.Signals, *, timeout_s: float) -> None:
        """Ask the server to end and wait for it; kill it when it takes longer than `timeout_s`."""
        if self._process is None:
            return
        if self.running:
            _send(self.pid, sig)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL the server and every process it has, and wait until all are gone."""
        if self._process is None:
            return
        if self.running and self._reaper is not None:
            # Process 1 of the namespace: the kernel takes all the others along.
            _send(self._reaper.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def death(self, what: str) -> ServerDied | PortTaken | DiskFull:
        """The error for a server that won't run, with the last lines of its log."""
        said = self.log.read_bytes()[self._log_start :] if self.log.exists() else b""
        tail = " / ".join(said.decode(errors="replace").strip().splitlines()[-_LOG_TAIL_LINES:])
        message = f"{self.name} {what}: {tail or 'nothing in its log'} (log: {self.log})"
        if "Address already in use" in tail:
            return PortTaken(message)
        if "No space left on device" in tail:
            return DiskFull(message)
        return ServerDied(message)


def _send(pid: int, sig: signal.Signals) -> None:
    # It may have ended by itself in the meantime, which is what was wanted.
    with contextlib.suppress(ProcessLookupError):
        if pid:
            os.kill(pid, sig)
