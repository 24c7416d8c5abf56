"""People by YOLOX (Ge et al., 2021) through OpenCV's own ONNX reader.

The weights are the operator's; they are believed only with the SHA-256 that was asked for and the
output shape of the 80-class COCO model. Raw outputs are decoded here, as in the paper's section
2.1: centre (offset + cell) x stride, size exp(s) x stride, score objectness x class.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import SensorError
from edge.sensors.footfall.frames import Frame, PixelFormat
from edge.sensors.footfall.vision.detector import Boxes, Detections

INPUT_PX = 320
STRIDES = (8, 16, 32)
# Centre, size, objectness, then 80 COCO classes, of which the first is "person".
COLUMNS = 85
PERSON = 5
# Under this nothing is kept; the tracker decides what is sure.
LEAST_SCORE = 0.15
# Two boxes that share more than this are one person: people in groups overlap too.
SAME_PERSON_IOU = 0.6
PADDING_GREY = 114


class ModelRefused(SensorError):
    """The weights are not the ones that were asked for, or no YOLOX for COCO."""

    state = "bad_model"


class YoloxDetector:
    """People by a YOLOX ONNX model at `INPUT_PX`; raises `ModelRefused` when it isn't one."""

    ready = True

    def __init__(self, path: Path, sha256: str, input_px: int = INPUT_PX) -> None:
        self._net = load(path, sha256)
        self._grid = Grid.of(input_px)
        check_output(self._run(np.full((input_px, input_px, 3), PADDING_GREY, np.uint8)), input_px)

    def forget(self) -> None:
        """Nothing is learned from frames, so nothing can be forgotten."""

    def detect(self, frame: Frame, expected: Boxes) -> Detections:
        picture, scale = letterboxed(as_bgr(frame), self._grid.input_px)
        boxes, scores = decode(self._run(picture), self._grid)
        boxes /= scale
        kept = cv2.dnn.NMSBoxes(as_xywh(boxes), scores.tolist(), LEAST_SCORE, SAME_PERSON_IOU)
        rows = np.asarray(kept, np.intp).reshape(-1)
        return Detections(boxes[rows], scores[rows])

    def _run(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._net.setInput(cv2.dnn.blobFromImage(picture))
        return np.asarray(self._net.forward(), np.float32)


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells of the three output levels: (n, 2) corners in cells, (n, 1) stride in pixels."""

    input_px: int
    corners: NDArray[np.float32]
    strides: NDArray[np.float32]

    @classmethod
    def of(cls, input_px: int) -> "Grid":
        corners, strides = [], []
        for stride in STRIDES:
            side = input_px // stride
            y, x = np.mgrid[:side, :side]
            corners.append(np.stack((x, y), axis=-1).reshape(-1, 2))
            strides.append(np.full((side * side, 1), stride))
        return cls(
            input_px,
            np.concatenate(corners).astype(np.float32),
            np.concatenate(strides).astype(np.float32),
        )


def load(path: Path, sha256: str) -> cv2.dnn.Net:
    """The network in `path`, read once and hashed before anything is parsed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"model {path}: {error.strerror}; msl-node model list") from error
    seen = hashlib.sha256(data).hexdigest()
    if seen != sha256:
        raise ModelRefused(f"model {path.name} has sha256 {seen}, expected {sha256}; replace it")
    try:
        return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise ModelRefused(f"model {path.name} is no readable ONNX: {error}") from error


def check_output(output: NDArray[np.float32], input_px: int) -> None:
    """Raise `ModelRefused` unless the output has YOLOX's shape for this input."""
    cells = sum((input_px // stride) ** 2 for stride in STRIDES)
    if output.shape != (1, cells, COLUMNS):
        raise ModelRefused(
            f"model gives {output.shape} for {input_px} px; YOLOX for COCO gives"
            f" {(1, cells, COLUMNS)}"
        )


def decode(output: NDArray[np.float32], grid: Grid) -> tuple[Boxes, NDArray[np.float32]]:
    """(n, 4) boxes and (n,) scores of people in input pixels, scores above `LEAST_SCORE`."""
    rows = output[0]
    scores = rows[:, 4] * rows[:, PERSON]
    kept = scores > LEAST_SCORE
    rows, corners, strides = rows[kept], grid.corners[kept], grid.strides[kept]
    centre = (rows[:, :2] + corners) * strides
    half = np.exp(rows[:, 2:4]) * strides / 2
    return np.concatenate((centre - half, centre + half), axis=1), scores[kept]


def letterboxed(bgr: NDArray[np.uint8], input_px: int) -> tuple[NDArray[np.uint8], float]:
    """The picture at the top left of a square of grey, and by how much it was scaled."""
    height, width = bgr.shape[:2]
    scale = input_px / max(height, width)
    size = (round(width * scale), round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.full((input_px, input_px, 3), PADDING_GREY, np.uint8)
    square[: size[1], : size[0]] = cv2.resize(bgr, size, interpolation=way)
    return square, scale


def as_bgr(frame: Frame) -> NDArray[np.uint8]:
    if frame.format is PixelFormat.GREY:
        return np.asarray(cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.asarray(cv2.cvtColor(frame.pixels, cv2.COLOR_YUV2BGR_I420), np.uint8)


def as_xywh(boxes: Boxes) -> list[list[float]]:
    """Corner boxes as OpenCV's suppression takes them."""
    rows: list[list[float]] = np.concatenate(
        (boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1
    ).tolist()
    return rows
