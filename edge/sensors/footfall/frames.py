"""The pipe from `camera` to `vision`: a small header, then the pixels, and nothing else.

Only those two processes import this. Pixels are grey (height x width) or planar YUV 4:2:0 as
`rpicam-vid --codec yuv420` gives it (height * 3/2 x width: Y, then U and V at half size).
"""

import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError

# magic, format, live, reserved, frame number, media time in s, width, height
HEADER = struct.Struct("<4sBBHIdHH")
MAGIC = b"MSLF"
LARGEST_FRAME_BYTES = 4096 * 2304 * 3 // 2
# The largest pipe an unprivileged process may ask for; it holds a 640 x 480 frame twice.
PIPE_BYTES = 1 << 20


class PixelFormat(IntEnum):
    """What follows the header; END says that the source ended as it should."""

    END = 0
    GREY = 1
    I420 = 2


class NoFrame(SourceError, TimeoutError):
    """The camera process is there, but no frame came in time."""

    state = "no_frames"


class FramesCut(SourceError):
    """The pipe closed in the middle, or carried something that is no frame."""

    state = "no_frames"


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    Attributes:
        number: Counted by the camera from 0, dropped frames included.
        media_s: When it was taken, on the node's clock (boot time for devices).
        live: From a device: time passes whether or not frames arrive.
        pixels: uint8, (height, width) grey or (height * 3/2, width) I420.
    """

    number: int
    media_s: float
    live: bool
    format: PixelFormat
    width: int
    height: int
    pixels: NDArray[np.uint8]

    @property
    def grey(self) -> NDArray[np.uint8]:
        """Brightness alone, (height, width): the first plane in both formats."""
        return self.pixels[: self.height]


def frame_rows(pixel_format: PixelFormat, height: int) -> int:
    """Rows of the pixel array of a picture `height` px tall."""
    return height * 3 // 2 if pixel_format is PixelFormat.I420 else height


def write_frame(fd: int, frame: Frame) -> None:
    """Write a frame whole; raises `BrokenPipeError` when `vision` has gone."""
    header = HEADER.pack(
        MAGIC, frame.format, frame.live, 0, frame.number, frame.media_s, frame.width, frame.height
    )
    write_all(fd, header)
    write_all(fd, frame.pixels.tobytes())


def write_end(fd: int) -> None:
    """Say that the source ended as it should, so that a closed pipe alone means a failure."""
    write_all(fd, HEADER.pack(MAGIC, PixelFormat.END, 0, 0, 0, 0.0, 0, 0))


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class FrameReader:
    """Frames from a pipe's reading end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when the source ended as it should.

        Raises `NoFrame` when none begins within `timeout_s`, `FramesCut` when the pipe breaks.
        """
        if not self._poll.poll(timeout_s * 1000):
            raise NoFrame(f"no frame for {timeout_s:g} s; check the camera's cable or network")
        magic, kind, live, _, number, media_s, width, height = HEADER.unpack(
            self._exactly(bytearray(HEADER.size))
        )
        if magic != MAGIC or kind not in set(PixelFormat):
            raise FramesCut(f"frame header begins with {magic!r}, format {kind}; restart camera")
        pixel_format = PixelFormat(kind)
        if pixel_format is PixelFormat.END:
            return None
        pixels = self._pixels(frame_rows(pixel_format, height), width)
        return Frame(number, media_s, bool(live), pixel_format, width, height, pixels)

    def __iter__(self) -> Iterator[Frame]:
        """Frames up to the end, waiting as long as it takes."""
        while (frame := self.read(timeout_s=3600)) is not None:
            yield frame

    def _pixels(self, rows: int, width: int) -> NDArray[np.uint8]:
        if not 0 < rows * width <= LARGEST_FRAME_BYTES:
            raise FramesCut(f"frame of {rows} rows x {width} px; at most 4096 x 2304 is read")
        pixels = np.empty((rows, width), np.uint8)
        self._exactly(pixels.data.cast("B"))
        return pixels

    def _exactly(self, buffer: bytearray | memoryview) -> bytearray | memoryview:
        view = memoryview(buffer)
        while view:
            count = os.readv(self._fd, [view])
            if not count:
                raise FramesCut("the camera closed its pipe without an end mark")
            view = view[count:]
        return buffer
