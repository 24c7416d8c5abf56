"""`python -m edge.sensors.footfall.camera`: the camera process, started by `FootfallCounter`.

Reads one source and writes its frames to standard output. A device is never waited for: a frame
that `vision` has no room for is dropped and its number skipped. A file or scene is paced at its
own rate, or with `--fast` goes as quickly as `vision` takes it.
"""

import argparse
import fcntl
import os
import select
import signal
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock, SystemClock
from edge.errors import NodeError
from edge.sensors.footfall.camera.sources import Source, open_source
from edge.sensors.footfall.frames import (
    PIPE_BYTES,
    Frame,
    PixelFormat,
    write_end,
    write_frame,
)
from edge.sensors.footfall.source_spec import SourceSpec


class FrameSender:
    """Stamps a source's pictures and writes them to a pipe.

    Args:
        fd: The pipe's writing end.
        live: Stamp with boot time and drop what doesn't fit; otherwise count frames and wait.
        fast: Don't pace a source that isn't live.
        start_s: Media time of frame 0 of a source that isn't live.
    """

    def __init__(self, fd: int, clock: Clock, *, live: bool, fast: bool, start_s: float) -> None:
        self._fd = fd
        self._clock = clock
        self._live = live
        self._fast = fast
        self._start_s = start_s
        self._began_s = clock.boot_s()

    def send(self, source: Source) -> None:
        """Send everything, then the end mark; raises `SourceError` when the source breaks."""
        next_due_s = 0.0
        for number, pixels in enumerate(source):
            passed_s = self._clock.boot_s() - self._began_s
            if not self._live:
                if not self._fast:
                    self._clock.sleep(number / source.fps - passed_s)
                self._write(source.format, number, self._start_s + number / source.fps, pixels)
            # A device may be faster than we want to look: half a frame's slack against jitter.
            elif passed_s >= next_due_s - 0.5 / source.fps and self._has_room():
                next_due_s = max(next_due_s + 1 / source.fps, passed_s)
                self._write(source.format, number, self._clock.boot_s(), pixels)
        write_end(self._fd)

    def _has_room(self) -> bool:
        return bool(select.select([], [self._fd], [], 0)[1])

    def _write(
        self, pixel_format: PixelFormat, number: int, media_s: float, pixels: NDArray[np.uint8]
    ) -> None:
        rows, width = pixels.shape
        height = rows * 2 // 3 if pixel_format is PixelFormat.I420 else rows
        frame = Frame(number, media_s, self._live, pixel_format, width, height, pixels)
        write_frame(self._fd, frame)


def main() -> int:
    parser = argparse.ArgumentParser(description="camera process of the footfall counter")
    parser.add_argument("--source", required=True)
    parser.add_argument("--start-s", type=float, default=0.0)
    parser.add_argument("--fast", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # vision has gone: so do we, without a word
    fd = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not land among the pixels
    widen(fd)
    cv2.setNumThreads(1)
    try:
        spec = SourceSpec.parse(args.source)
        source = open_source(spec)
        sender = FrameSender(
            fd, SystemClock(), live=spec.live, fast=args.fast, start_s=args.start_s
        )
        sender.send(source)
    except NodeError as error:
        state = getattr(error, "state", "bad_setting")
        print(f"{state}: {error}", file=sys.stderr)
        return 1
    return 0


def widen(fd: int) -> None:
    """Let the pipe hold a whole frame where the system allows it."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        return  # a smaller pipe is slower, nothing else


if __name__ == "__main__":
    sys.exit(main())
