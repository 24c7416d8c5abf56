"""Runs a pilot: one agent process a node, watched and restarted; or ready records, in this one."""

import ctypes
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract.streams import DEFAULT_WINDOW_S, Stream
from edge.clock import TrustedClock
from edge.identity import boot_id, software_rev
from edge.simulate.pilot import SimulatedNode
from edge.simulate.records import RecordSource, fill
from edge.spool import Spool
from edge.stream_worker import Retry
from edge.uplink import Uplink
from edge.uplink_settings import broker_settings, uplink_timing

log = logging.getLogger(__name__)

STOP_S = 20.0
WATCH_S = 0.5
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass
class NodeProcess:
    """One agent as a child process, logging into its own folder."""

    node_id: str
    settings_file: Path
    retry: Retry = field(default_factory=Retry)
    _process: "subprocess.Popen[bytes] | None" = None
    _started_s: float = 0.0
    _start_after_s: float = 0.0

    def watch(self) -> None:
        """Start it, or start it again some time after it ended."""
        if self._process is not None and self._process.poll() is not None:
            code, self._process = self._process.returncode, None
            wait_s = self.retry.after(time.monotonic() - self._started_s)
            self._start_after_s = time.monotonic() + wait_s
            log.warning(
                "%s ended with code %d, its log is %s; next start in %.0f s",
                self.node_id, code, self._log_file, wait_s,
            )  # fmt: skip
        if self._process is None and time.monotonic() >= self._start_after_s:
            self._start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def join(self, timeout_s: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.error("%s did not stop within %.0f s and is killed", self.node_id, timeout_s)
            self._process.kill()
            self._process.wait()

    @property
    def _log_file(self) -> Path:
        return self.settings_file.with_name("node.log")

    def _start(self) -> None:
        command = [sys.executable, "-m", "edge", "run", "--config", str(self.settings_file)]
        with self._log_file.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_parent,
            )
        self._started_s = time.monotonic()


def run_pilot(nodes: Sequence[SimulatedNode], folder: Path) -> int:
    """Run every node until SIGTERM or Ctrl-C; return 0."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    processes = [NodeProcess(n.node_id, n.write(folder.absolute() / n.node_id)) for n in nodes]
    log.info("%d emulated nodes run, settings and logs are in %s", len(processes), folder)
    try:
        while not stopping.is_set():
            for process in processes:
                process.watch()
            stopping.wait(WATCH_S)
    finally:
        for process in processes:
            process.stop()
        for process in processes:
            process.join(STOP_S)
    return 0


def send_records(
    nodes: Sequence[SimulatedNode], folder: Path, count: int, per_s: float, timeout_s: float = 600
) -> int:
    """Make `count` records of every stream of every node at the spool and deliver them.

    Args:
        per_s: Records a second of each stream; 0: as fast as the disk takes them.
        timeout_s: Longest wait for the last acknowledgement.
    Returns:
        0 when the server acknowledged everything, else 3.
    """
    senders = [RecordSender(node, folder / node.node_id, count, per_s) for node in nodes]
    threads = [threading.Thread(target=sender.make, daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until_s = time.monotonic() + timeout_s
    left = senders
    while left and time.monotonic() < until_s:
        left = [sender for sender in left if not sender.delivered()]
        time.sleep(0.2)
    for sender in senders:
        sender.close()
    for sender in left:
        log.error("%s: not everything was acknowledged", sender.node_id)
    return 3 if left else 0


class RecordSender:
    """One node without sensors: records made at the spool, the real uplink behind it."""

    def __init__(self, node: SimulatedNode, folder: Path, count: int, per_s: float) -> None:
        self.node_id = node.node_id
        settings = node.settings(folder)
        self._count = count
        self._per_s = per_s
        self._source = RecordSource(seed=settings.integer("seed"))
        clock = TrustedClock(always=True)
        self._spool = Spool(
            (settings.path("state_dir") or folder) / "spool.db",
            limit_bytes=settings.integer("spool.limit_bytes"),
            clock=clock,
            boot=boot_id(),
            rev=software_rev(),
        )
        self._uplink = Uplink(
            self.node_id,
            broker_settings(settings),
            self._spool,
            clock,
            timing=uplink_timing(settings),
        )
        self._uplink.start()

    def make(self) -> None:
        """Spool everything; the last record of each stream ends about now."""
        end_ms = int(time.time()) * 1000
        for stream in Stream:
            step_ms = DEFAULT_WINDOW_S.get(stream, 60) * 1000
            began_s = time.monotonic()
            start_ms = (end_ms // step_ms - self._count) * step_ms
            for done in fill(
                self._spool, self._source, stream, start_ms=start_ms, count=self._count
            ):
                self._uplink.wake()
                if self._per_s:
                    time.sleep(max(0.0, began_s + done / self._per_s - time.monotonic()))

    def delivered(self) -> bool:
        """Whether the server has acknowledged everything."""
        self._spool.flush()
        return self._spool.depth().records_n == 0

    def close(self) -> None:
        self._uplink.stop()
        self._spool.close()


def _end_with_parent() -> None:
    """In the child: the kernel ends it when this process dies, whatever it dies of."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
