"""How the people counter's cost grows with frames a second and with people."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.sensors.footfall.models import ModelFolder
from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.detector import Detector
from edge.sensors.footfall.vision.motion_gate import MotionGate
from edge.sensors.footfall.vision.speed import street, street_ms
from edge.sensors.footfall.vision.yolox import YoloxDetector

# (frames a second, people a minute)
STREETS = ((5, 0), (5, 6), (5, 20), (5, 60), (2, 6), (10, 6), (15, 6))
FRAMES = 100


@dataclass(frozen=True)
class Cost:
    """Vision's work on one street of 640 x 480: time of one frame, share of one core live."""

    detector: str
    fps: float
    people_per_min: float
    frame_ms: float
    core_share: float


def growth(model: Path) -> Iterator[Cost]:
    """Cost of each detector on each street; YOLOX only where its file is."""
    network = None
    if model.is_file():
        network = YoloxDetector(model, ModelFolder().find(f"yolox:{model}").sha256)
    for name in ("background", "yolox") if network else ("background",):
        for fps, people in STREETS:
            gated = network is not None and name == "yolox"
            detector: Detector = MotionGate(network) if gated and network else BackgroundDetector()
            cost_ms = street_ms(detector, street(people, fps), FRAMES)
            yield Cost(name, fps, people, cost_ms, cost_ms * fps / 1000)
