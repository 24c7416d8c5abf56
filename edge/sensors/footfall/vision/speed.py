"""`python -m edge.sensors.footfall.vision.speed [--model FILE --sha256 …]`: what a frame costs.

Processor time of the very chain that counts (sight, detector, tracker, lines) on the rendered
street, kept to one thread; the rendering isn't counted. Prints one JSON object.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from edge.sensors.footfall.frames import Frame, PixelFormat
from edge.sensors.footfall.geometry import Geometry, Line, Unit
from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.detector import Detector
from edge.sensors.footfall.vision.motion_gate import MotionGate
from edge.sensors.footfall.vision.people_counter import PeopleCounter
from edge.sensors.footfall.vision.yolox import INPUT_PX, YoloxDetector
from edge.simulate.scene import StreetScene

LINE = Geometry(0, (Line("line", 0.4, 0.1, 0.4, 0.99),), unit=Unit.SHARE)
WIDTH, HEIGHT = 640, 480
# What is learned and first allocated isn't the running cost.
WARM_UP_FRAMES = 20


@dataclass(frozen=True)
class Speed:
    """What counting costs one core.

    Attributes:
        busy_ms: One frame with somebody in it (for a network: its forward pass in it).
        street_ms: One frame of the street with `people_per_min`, motion gate included.
        busy_fps, street_fps: Frames a second that one core could do of each.
    """

    detector: str
    people_per_min: float
    busy_ms: float
    street_ms: float

    @property
    def busy_fps(self) -> float:
        return 1000 / self.busy_ms

    @property
    def street_fps(self) -> float:
        return 1000 / self.street_ms


def grey_frame(scene: StreetScene, number: int) -> Frame:
    """Frame `number` of a scene, as the camera process would send it."""
    pixels = scene.render(number)
    height, width = pixels.shape
    return Frame(number, number / scene.fps, False, PixelFormat.GREY, width, height, pixels)


def street_ms(detector: Detector, scene: StreetScene, frames: int) -> float:
    """Milliseconds of one core for each frame of a scene."""
    first = grey_frame(scene, 0)
    counter = PeopleCounter(LINE.in_pixels(first.width, first.height), detector, first)
    used_s = 0.0
    for number in range(frames + WARM_UP_FRAMES):
        frame = grey_frame(scene, number)
        began_s = time.process_time()
        counter.add(frame)
        if number >= WARM_UP_FRAMES:
            used_s += time.process_time() - began_s
    return 1000 * used_s / frames


def street(people_per_min: float, fps: float) -> StreetScene:
    return StreetScene(seed=7, width=WIDTH, height=HEIGHT, fps=fps, people_per_min=people_per_min)


def speed_of(
    network: YoloxDetector | None, *, people_per_min: float = 6, fps: float = 5, frames: int = 150
) -> Speed:
    """Cost of a network behind the motion gate, or of background subtraction without one."""
    busy: Detector = network or BackgroundDetector()
    gated: Detector = MotionGate(network) if network else BackgroundDetector()
    return Speed(
        f"yolox at {INPUT_PX} px" if network else "background",
        people_per_min,
        street_ms(busy, street(12, fps), min(frames, 60)),
        street_ms(gated, street(people_per_min, fps), frames),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="what a frame costs one core")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sha256", default="")
    parser.add_argument("--people", type=float, default=6, help="people a minute on the street")
    parser.add_argument("--frames", type=int, default=150)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    network = YoloxDetector(args.model, args.sha256) if args.model else None
    found = speed_of(network, people_per_min=args.people, frames=args.frames)
    fps = {"busy_fps": found.busy_fps, "street_fps": found.street_fps}
    print(json.dumps({**asdict(found), **fps}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
