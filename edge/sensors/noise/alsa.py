"""An ALSA microphone through a pipe from `arecord`: no PortAudio, no shell, nothing written.

`arecord` says on stderr how long an overrun was; those samples are counted as lost.
"""

import os
import re
import selectors
import subprocess
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from edge.clock import Clock
from edge.errors import SourceError
from edge.sensors.noise.pcm import BLOCK_S, PcmBlock

# A microphone's supply and offset settle in this time after it is opened; not measured.
SETTLING_S = 2.0
# No byte for this long: the sound card hangs, the stream counts as ended.
STALL_S = 3.0

_SAMPLE_BYTES = 4  # S32_LE; a 24-bit I2S microphone stands in the upper three bytes
_OVERRUN = re.compile(r"overrun!!! \(at least ([0-9.]+) ms long\)")


def arecord_command(device: str, sample_rate_hz: int, channels: int) -> list[str]:
    """The `arecord` call that writes raw S32_LE frames to its output."""
    return [
        "arecord", "-q", "-D", device, "-f", "S32_LE", "-r", str(sample_rate_hz),
        "-c", str(channels), "-t", "raw",
    ]  # fmt: skip


class AlsaSource:
    """Blocks from an ALSA capture device.

    Args:
        clock: Stamps the blocks.
        device: ALSA name, e.g. "hw:1,0".
        sample_rate_hz: Asked of the device.
        channels: I2S always carries two, the microphone is on one of them.
        channel: Which one to measure, from 0.
        block_s: Length of a block.
        settling_s: Sound dropped after opening.
        command: What to run instead of `arecord_command(...)`.
    Raises:
        SourceError: from `blocks()`, when `arecord` is missing, ends, or stalls.
    """

    def __init__(
        self,
        clock: Clock,
        device: str = "hw:0,0",
        *,
        sample_rate_hz: int = 48_000,
        channels: int = 2,
        channel: int = 0,
        block_s: float = BLOCK_S,
        settling_s: float = SETTLING_S,
        command: Sequence[str] | None = None,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._device = device
        self._channels = channels
        self._channel = channel
        self._block_n = max(1, round(block_s * sample_rate_hz))
        self._settling_blocks_n = round(settling_s / block_s)
        self._command = command or arecord_command(device, sample_rate_hz, channels)
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints = _Complaints()

    def blocks(self) -> Iterator[PcmBlock]:
        """Blocks until `close()`; that `arecord` ends by itself is always an error."""
        process = self._start()
        try:
            for number, raw in enumerate(self._raw_blocks(process)):
                if number < self._settling_blocks_n:
                    continue
                frames = np.frombuffer(raw, "<i4").reshape(-1, self._channels)
                samples = frames[:, self._channel] / 2.0**31
                begin_s = self._clock.boot_s() - len(samples) / self.sample_rate_hz
                lost_n = round(self._complaints.take_lost_s() * self.sample_rate_hz)
                yield PcmBlock(samples, begin_s, lost_n)
        finally:
            _end(process)
            self._complaints.join()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def close(self) -> None:
        """Stop `arecord`; `blocks()` then ends, also in another thread."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _start(self) -> "subprocess.Popen[bytes]":
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},  # the overrun message is parsed
                bufsize=0,
            )
        except OSError as error:
            raise SourceError(
                f"can't run {self._command[0]} for {self._device}: {error.strerror};"
                " install alsa-utils"
            ) from error
        self._process = process
        self._complaints.listen(process)
        return process

    def _raw_blocks(self, process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
        assert process.stdout is not None
        wanted_bytes = self._block_n * self._channels * _SAMPLE_BYTES
        held = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(STALL_S):
                    raise SourceError(
                        f"{self._device} gave no sample for {STALL_S:.0f} s; check the"
                        " microphone's wiring and its device tree overlay"
                    )
                piece = os.read(process.stdout.fileno(), wanted_bytes - len(held))
                if not piece:
                    if self._process is None:  # closed on purpose
                        return
                    raise self._ended(process)
                held += piece
                if len(held) == wanted_bytes:
                    yield bytes(held)
                    held.clear()

    def _ended(self, process: "subprocess.Popen[bytes]") -> SourceError:
        code = process.wait()
        self._complaints.join()
        return SourceError(
            f"{self._command[0]} on {self._device} ended with code {code}:"
            f" {self._complaints.last_line or 'it gave no reason'}"
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Complaints:
    """What `arecord` says on stderr: overruns are added up, the last line is kept."""

    def __init__(self) -> None:
        self.last_line = ""
        self._lost_s = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def listen(self, process: "subprocess.Popen[bytes]") -> None:
        self._thread = threading.Thread(
            target=self._read, args=(process,), name="arecord-stderr", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(timeout=10)

    def take_lost_s(self) -> float:
        """Seconds lost since the last call."""
        with self._lock:
            lost_s, self._lost_s = self._lost_s, 0.0
        return lost_s

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode(errors="replace").strip()
            self.last_line = line or self.last_line
            if overrun := _OVERRUN.search(line):
                with self._lock:
                    self._lost_s += float(overrun.group(1)) / 1000
