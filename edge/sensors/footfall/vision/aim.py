"""`python -m edge.sensors.footfall.vision.aim`: the placement view's process, `msl-node aim`'s own.

In the same cage as the counter's `vision`, with one pipe out: a grey picture of at most 96 px that
shows where walls, kerbs and posts are. It is the median of a minute, so whoever moves isn't in it;
while too much moves for a clean median there is none. Frames live in memory, and end with it.
"""

import os
import signal
import sys
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import NodeError
from edge.sensors.footfall.aim_view import MOST_HEIGHT_PX, MOST_WIDTH_PX, AimState, AimView
from edge.sensors.footfall.frames import Frame, FrameReader, FramesCut, NoFrame
from edge.sensors.footfall.vision.sandbox import lock_down

WINDOW_S = 60
SAMPLE_S = 0.5
VIEW_EVERY_S = 2.0
FIRST_FRAME_S = 20.0
STALL_S = 2.0
# A pixel is clean when it shows the same thing most of the time. Past a half, the median itself
# would be made of passers-by; some distance is kept from that.
DIRTY_TIME_SHARE = 0.35
DIRTY_PIXEL_SHARE = 0.01
# A pixel is off the median when it differs by this much more than noise does.
OFF_GREY, OFF_NOISE = 14.0, 5.0
GREY_STEPS = 12
EDGE_FULL = 24.0


class Placement:
    """Gathers a minute and shows what stands still in it."""

    def __init__(self) -> None:
        self._samples: deque[NDArray[np.uint8]] = deque(maxlen=round(WINDOW_S / SAMPLE_S))
        self._next_s = float("-inf")

    def add(self, frame: Frame) -> None:
        """Look at one frame; most of it is thrown away at once."""
        if frame.media_s < self._next_s:
            return
        self._next_s = frame.media_s + SAMPLE_S
        scale = min(MOST_WIDTH_PX / frame.width, MOST_HEIGHT_PX / frame.height)
        size = (max(1, int(frame.width * scale)), max(1, int(frame.height * scale)))
        small = cv2.resize(frame.grey, size, interpolation=cv2.INTER_AREA)
        self._samples.append(np.asarray(small, np.uint8))

    def view(self, frame: Frame) -> AimView:
        """What may be shown now; `frame` gives the camera's size."""
        samples = np.stack(self._samples)
        median = np.median(samples, axis=0).astype(np.float32)
        state = self._state(samples, median)
        shown = drawn(median) if state is AimState.READY else np.empty((0, 0), np.uint8)
        height, width = shown.shape
        return AimView(
            state=state,
            gathered_s=int(len(samples) * SAMPLE_S),
            needed_s=WINDOW_S,
            frame_width=frame.width,
            frame_height=frame.height,
            width=width,
            height=height,
            grey=shown.tobytes(),
        )

    def _state(self, samples: NDArray[np.uint8], median: NDArray[np.float32]) -> AimState:
        if len(samples) < WINDOW_S / SAMPLE_S:
            return AimState.GATHERING
        return AimState.BUSY if too_busy(samples, median) else AimState.READY


def too_busy(samples: NDArray[np.uint8], median: NDArray[np.float32]) -> bool:
    """Whether the median of (n, height, width) samples may have people in it."""
    noise = 1.48 * float(np.median(np.abs(np.diff(samples.astype(np.float32), axis=0))))
    off = np.abs(samples - median) > max(OFF_GREY, OFF_NOISE * noise)
    dirty = off.mean(axis=0) > DIRTY_TIME_SHARE
    return float(dirty.mean()) > DIRTY_PIXEL_SHARE


def drawn(median: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A blurred picture in a few greys with the edges in it, whatever the light."""
    low, high = (float(value) for value in np.percentile(median, (2, 98)))
    even = np.clip((median - low) / max(high - low, 1.0), 0, 1)
    soft = np.asarray(cv2.GaussianBlur(even.astype(np.float32), (5, 5), 0), np.float32)
    steps = np.floor(soft * GREY_STEPS) / GREY_STEPS
    down, across = np.gradient(255 * even)
    edge = np.clip(np.hypot(down, across) / EDGE_FULL, 0, 1)
    return np.asarray((60 + 150 * steps) * (1 - 0.75 * edge), np.uint8)


def main() -> int:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    views_fd = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not land in the view
    cv2.setNumThreads(1)
    try:
        frames = FrameReader(0)
        first = frames.read(timeout_s=FIRST_FRAME_S)
        if first is None:
            raise FramesCut("the source ended before its first frame; check the file")
        rehearse(first)
        lock_down(0, views_fd)
    except NodeError as error:
        print(f"{getattr(error, 'state', 'bad_setting')}: {error}", file=sys.stderr)
        return 1
    try:
        show(first, frames, views_fd)
    except FramesCut:
        os._exit(1)
    os._exit(0)


def rehearse(first: Frame) -> None:
    """Use all that will be used, while libraries may still load what they need."""
    placement = Placement()
    placement.add(first)
    placement.view(first).pack()
    drawn(np.asarray(first.grey[:32, :32], np.float32))
    too_busy(np.stack([first.grey[:8, :8]] * 2), np.asarray(first.grey[:8, :8], np.float32))


def show(first: Frame, frames: FrameReader, views_fd: int) -> None:
    """Send a view every two seconds of the camera's time until it ends."""
    placement, sent_s = Placement(), float("-inf")
    frame: Frame | None = first
    while frame is not None:
        placement.add(frame)
        if frame.media_s - sent_s >= VIEW_EVERY_S:
            sent_s = frame.media_s
            os.write(views_fd, placement.view(frame).pack())
        frame = next_frame(frames)


def next_frame(frames: FrameReader) -> Frame | None:
    while True:
        try:
            return frames.read(timeout_s=STALL_S)
        except NoFrame:
            continue  # the page says how old its view is


if __name__ == "__main__":
    sys.exit(main())
