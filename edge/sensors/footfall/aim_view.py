"""The pipe out of the placement view's process: one coarse grey picture, and no finer one.

Not of the counter: this pipe exists only while `msl-node aim` runs. The reading side doesn't trust
it and takes nothing above `MOST_WIDTH_PX`.
"""

import os
import struct
from dataclasses import dataclass
from enum import IntEnum

from edge.errors import SensorError

# magic, state, seconds gathered, seconds needed, frame's width and height, view's width and height
HEADER = struct.Struct("<4sBHHHHBB")
MAGIC = b"MSLA"
MOST_WIDTH_PX = 96
MOST_HEIGHT_PX = 96
MOST_SECONDS = 600


class AimState(IntEnum):
    """Whether there is anything to show."""

    GATHERING = 0
    BUSY = 1
    READY = 2


class AimViewRejected(SensorError):
    """The process sent something that is no coarse view; it is stopped."""

    state = "bad_view"


@dataclass(frozen=True, kw_only=True)
class AimView:
    """What the placement view may know of the street.

    Attributes:
        gathered_s, needed_s: Time that the median covers, and what it needs to.
        frame_width, frame_height: Of the camera's pictures, so that lines in pixels can be drawn.
        width, height, grey: The view, one byte a pixel; empty unless `READY`.
    """

    state: AimState
    gathered_s: int
    needed_s: int
    frame_width: int
    frame_height: int
    width: int = 0
    height: int = 0
    grey: bytes = b""

    def pack(self) -> bytes:
        head = HEADER.pack(
            MAGIC, self.state, self.gathered_s, self.needed_s,
            self.frame_width, self.frame_height, self.width, self.height,
        )  # fmt: skip
        return head + self.grey


def read_view(fd: int) -> AimView | None:
    """The next view from a pipe, None at its end; raises `AimViewRejected` for anything else."""
    head = exactly(fd, HEADER.size)
    if head is None:
        return None
    magic, state, gathered, needed, frame_width, frame_height, width, height = HEADER.unpack(head)
    if magic != MAGIC or state not in set(AimState):
        raise AimViewRejected(f"view begins with {magic!r}, state {state}")
    if width > MOST_WIDTH_PX or height > MOST_HEIGHT_PX or max(gathered, needed) > MOST_SECONDS:
        raise AimViewRejected(
            f"view of {width} x {height} px over {gathered} s; at most"
            f" {MOST_WIDTH_PX} x {MOST_HEIGHT_PX} px are taken"
        )
    if (state == AimState.READY) != bool(width * height):
        raise AimViewRejected(f"view of {width} x {height} px in state {state}")
    return AimView(
        state=AimState(state),
        gathered_s=gathered,
        needed_s=needed,
        frame_width=frame_width,
        frame_height=frame_height,
        width=width,
        height=height,
        grey=exactly(fd, width * height) or b"",
    )


def exactly(fd: int, count: int) -> bytes | None:
    """So many bytes; None when the pipe has ended before the first or in the middle."""
    data = b""
    while len(data) < count:
        part = os.read(fd, count - len(data))
        if not part:
            return None
        data += part
    return data
