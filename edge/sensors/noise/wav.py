"""WAV files as a microphone: 16, 24 and 32 bit PCM and float, read block by block.

The standard library's `wave` refuses float, scipy reads a file whole; this reader keeps one
block in memory, and takes the header of a recorder that was switched off (sizes of 0 or of
0xFFFFFFFF) as "up to the end of the file".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.errors import SourceError
from edge.sensors.noise.pcm import BLOCK_S, PcmBlock

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FORMATS = {(_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}
_SIZE_UNKNOWN = (0, 0xFFFFFFFF)
# RF64 and BW64: files over 4 GiB, whose `data` chunk says 0xFFFFFFFF and whose `ds64` has the size.
_KINDS = (b"RIFF", b"RF64", b"BW64")


@dataclass(frozen=True)
class WavFormat:
    """How samples stand in the file, and where: `data_bytes` is None up to the end."""

    encoding: int
    bits: int
    channels: int
    sample_rate_hz: int
    data_bytes: int | None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def read_header(file: BinaryIO, name: str) -> WavFormat:
    """Read up to the first sample and say what follows.

    Raises:
        SourceError: not a WAV file, or one whose samples this reader doesn't know.
    """
    riff = file.read(12)
    if len(riff) < 12 or riff[:4] not in _KINDS or riff[8:] != b"WAVE":
        raise SourceError(f"{name} is not a WAV file: it begins with {riff[:4]!r}")
    layout: tuple[int, int, int, int] | None = None
    large_bytes: int | None = None
    while len(head := file.read(8)) == 8:
        chunk, size = head[:4], int.from_bytes(head[4:], "little")
        if chunk == b"fmt ":
            layout = _read_layout(file.read(size + size % 2), name)
        elif chunk == b"data":
            if layout is None:
                raise SourceError(f"{name} has samples before their format (no fmt chunk)")
            return WavFormat(*layout, large_bytes if size in _SIZE_UNKNOWN else size)
        elif chunk == b"ds64":
            large_bytes = int.from_bytes(file.read(size + size % 2)[8:16], "little") or None
        else:
            file.seek(size + size % 2, 1)
    raise SourceError(f"{name} has no samples (no data chunk)")


def _read_layout(chunk: bytes, name: str) -> tuple[int, int, int, int]:
    """(encoding, bits, channels, sample rate) of a fmt chunk."""
    if len(chunk) < 16:
        raise SourceError(f"{name} has a fmt chunk of {len(chunk)} bytes; 16 are the least")
    encoding, channels, sample_rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if encoding == _EXTENSIBLE and len(chunk) >= 26:
        encoding = int.from_bytes(chunk[24:26], "little")
    if (encoding, bits) not in _FORMATS or channels < 1 or sample_rate_hz < 1:
        raise SourceError(
            f"{name} holds {channels} channels of {bits} bit in encoding {encoding} at"
            f" {sample_rate_hz} Hz; use 16, 24 or 32 bit PCM or float"
        )
    return encoding, bits, channels, sample_rate_hz


def decode_first_channel(raw: bytes, layout: WavFormat) -> NDArray[np.float64]:
    """Samples of the first channel with full scale at 1.0; a torn last frame is dropped."""
    frames_n = len(raw) // layout.frame_bytes
    frames = np.frombuffer(raw, np.uint8, frames_n * layout.frame_bytes)
    first = np.ascontiguousarray(
        frames.reshape(frames_n, layout.frame_bytes)[:, : layout.bits // 8]
    )
    if layout.encoding == _FLOAT:
        return first.view(f"<f{layout.bits // 8}").ravel().astype(np.float64)
    if layout.bits == 24:
        wide = np.zeros((frames_n, 4), np.uint8)
        wide[:, 1:] = first  # the sign stays in the top byte
        return wide.view("<i4").ravel() / 2.0**31
    return first.view(f"<i{layout.bits // 8}").ravel() / 2.0 ** (layout.bits - 1)


class WavSource:
    """A WAV file played as a microphone, its first channel, at the pace of `clock`.

    Args:
        path: The file.
        clock: Real time plays it in real time; a `FastClock` as fast as it is read.
        block_s: Length of a block.
    Raises:
        SourceError: no such file, or not a WAV file that this reader knows.
    """

    def __init__(self, path: Path, clock: Clock, block_s: float = BLOCK_S) -> None:
        self._clock = clock
        self._name = path.name
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise SourceError(f"can't open {path}: {error.strerror}") from error
        try:
            self._layout = read_header(self._file, path.name)
        except SourceError:
            self._file.close()
            raise
        self._block_frames_n = max(1, round(block_s * self._layout.sample_rate_hz))

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second, as the file says."""
        return self._layout.sample_rate_hz

    @property
    def promised_s(self) -> float | None:
        """Length that the header promises; None where it leaves that open."""
        if self._layout.data_bytes is None:
            return None
        return self._layout.data_bytes / self._layout.frame_bytes / self.sample_rate_hz

    def blocks(self) -> Iterator[PcmBlock]:
        """The file's samples; ends with the file, or at `close()`.

        Raises `SourceError` for floats that are no numbers.
        """
        begin_s, played_n = self._clock.boot_s(), 0
        left_bytes = self._layout.data_bytes
        while not self._file.closed:
            wanted_bytes = self._block_frames_n * self._layout.frame_bytes
            if left_bytes is not None:
                wanted_bytes = min(wanted_bytes, left_bytes)
                left_bytes -= wanted_bytes
            samples = decode_first_channel(self._file.read(wanted_bytes), self._layout)
            if len(samples) == 0:
                return
            if not np.isfinite(samples).all():
                raise SourceError(
                    f"{self._name} holds a sample that is no number, in the second after"
                    f" {played_n / self.sample_rate_hz:.1f} s; export the file anew"
                )
            block = PcmBlock(samples, begin_s + played_n / self.sample_rate_hz)
            played_n += len(samples)
            # A block is there once its last sample has been heard.
            self._clock.sleep(begin_s + played_n / self.sample_rate_hz - self._clock.boot_s())
            yield block

    def close(self) -> None:
        """Close the file."""
        self._file.close()
