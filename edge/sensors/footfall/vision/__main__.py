"""`python -m edge.sensors.footfall.vision`: the vision process, started by `FootfallCounter`.

Frames come in on standard input, count reports go out on standard output; nothing else does, and
after the first frame nothing else can (see `sandbox`).
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from edge.errors import NodeError
from edge.sensors.footfall.frames import Frame, FrameReader, FramesCut, NoFrame
from edge.sensors.footfall.geometry import Geometry, GeometryError
from edge.sensors.footfall.reports import Report
from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.canary import Canary
from edge.sensors.footfall.vision.detector import Detector
from edge.sensors.footfall.vision.motion_gate import MotionGate
from edge.sensors.footfall.vision.people_counter import PeopleCounter
from edge.sensors.footfall.vision.sandbox import lock_down
from edge.sensors.footfall.vision.yolox import YoloxDetector

REPORT_EVERY_S = 1.0
# A device that is silent for this long is reported as not seeing.
STALL_S = 2.0
# A first frame may take a camera this long: sensors start, streams connect.
FIRST_FRAME_S = 20.0
EXIT_FRAMES_CUT = 3


def main() -> int:
    parser = argparse.ArgumentParser(description="vision process of the footfall counter")
    parser.add_argument("--geometry", required=True)
    parser.add_argument("--detector", choices=("background", "yolox"), default="background")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sha256", default="")
    parser.add_argument("--each-frame", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the agent has gone: so do we, without a word
    reports_fd = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not land among the reports
    cv2.setNumThreads(1)
    try:
        make_detector = detector_maker(args.detector, args.model, args.sha256)
        frames = FrameReader(0)
        counter, first = warm_up(Geometry.from_json(args.geometry), make_detector, frames)
        if args.each_frame and first.live:
            raise GeometryError("a report for each frame is for files only, never for a camera")
        lock_down(0, reports_fd)
    except NodeError as error:
        state = getattr(error, "state", "bad_setting")
        print(f"{state}: {error}", file=sys.stderr)
        return 1
    try:
        count(counter, first, frames, reports_fd, every_s=0 if args.each_frame else REPORT_EVERY_S)
    except FramesCut:
        os._exit(EXIT_FRAMES_CUT)  # words can't leave any more, a number can
    # Not by return: the interpreter's own clearing up makes calls that the cage forbids.
    os._exit(0)


def detector_maker(kind: str, model: Path | None, sha256: str) -> Callable[[], Detector]:
    """What makes the chosen detector; raises `ModelRefused` for the wrong weights.

    A network is loaded once and shared, for it learns nothing from frames.
    """
    if kind == "background" or model is None:
        return BackgroundDetector
    network = YoloxDetector(model, sha256)
    return lambda: MotionGate(network)


def warm_up(
    geometry: Geometry, make_detector: Callable[[], Detector], frames: FrameReader
) -> tuple[PeopleCounter, Frame]:
    """Load and run all that counting needs, while files can still be opened.

    Returns the counter and the first frame. The canary walks through the very chain that counts,
    so whatever libraries fetch on first use is there before the cage closes.
    """
    canary = Canary(make_detector)
    canary.alive(0.0)
    first = frames.read(timeout_s=FIRST_FRAME_S)
    if first is None:
        raise FramesCut("the source ended before its first frame; check the file")
    in_pixels = geometry.in_pixels(first.width, first.height)
    rehearsal = PeopleCounter(in_pixels, make_detector(), first)
    rehearsal.add(first)
    rehearsal.report().pack()
    return PeopleCounter(in_pixels, make_detector(), first, Canary(make_detector)), first


def count(
    counter: PeopleCounter, first: Frame, frames: FrameReader, reports_fd: int, *, every_s: float
) -> None:
    """Count until the source ends; raises `FramesCut` when it breaks off instead."""

    def send(report: Report) -> None:
        os.write(reports_fd, report.pack())

    frame: Frame | None = first
    while frame is not None:
        counter.add(frame)
        if counter.due(every_s):
            send(counter.report())
        frame = next_frame(frames, counter, send, live=first.live)
    send(counter.report(ended=True))


def next_frame(
    frames: FrameReader, counter: PeopleCounter, send: Callable[[Report], None], *, live: bool
) -> Frame | None:
    """The next frame, or None at the end; while a device is silent, reports say so."""
    while True:
        try:
            return frames.read(timeout_s=STALL_S)
        except NoFrame:
            # Only a device's clock runs on without frames; a file merely waits for the disk.
            if live:
                send(counter.report(no_frames_until_s=time.clock_gettime(time.CLOCK_BOOTTIME)))


if __name__ == "__main__":
    sys.exit(main())
