"""What the footfall tests share: frames, tracks' boxes, generated clips, the real clip."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame, PixelFormat
from edge.simulate.scene import StreetScene

MakeFrame = Callable[..., Frame]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """OpenCV's own threads only get in each other's way on small pictures."""
    cv2.setNumThreads(1)


@pytest.fixture
def grey_frame() -> MakeFrame:
    """Make a frame from a grey picture; 10 a second unless a time is given."""

    def make(
        pixels: NDArray[np.uint8], number: int = 0, media_s: float | None = None, live: bool = False
    ) -> Frame:
        height, width = pixels.shape
        at_s = number / 10 if media_s is None else media_s
        return Frame(number, at_s, live, PixelFormat.GREY, width, height, pixels)

    return make


@pytest.fixture
def noisy() -> Callable[[float, int], NDArray[np.uint8]]:
    """A textured picture of a mean brightness, with its own noise for each number."""
    texture = np.random.default_rng(0).normal(0, 1, (12, 16)).repeat(20, 0).repeat(20, 1)

    def make(mean: float, number: int) -> NDArray[np.uint8]:
        noise = np.random.default_rng(number + 1).normal(0, 2, texture.shape)
        return np.clip(mean * (1 + 0.2 * texture) + noise, 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def write_clip(tmp_path: Path) -> Callable[[StreetScene, int], Path]:
    """Render so many frames of a scene into an AVI file."""

    def write(scene: StreetScene, frames: int) -> Path:
        path = tmp_path / "street.avi"
        fourcc = cv2.VideoWriter.fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(path), fourcc, scene.fps, (scene.width, scene.height))
        for frame in range(frames):
            writer.write(cv2.cvtColor(scene.render(frame), cv2.COLOR_GRAY2BGR))
        writer.release()
        return path

    return write


def shared_data() -> Path:
    default = Path(__file__).parents[4] / "shared" / "data"
    return Path(os.environ.get("MSL_SHARED_DATA", default))


@pytest.fixture
def real_data() -> Path:
    """The folder with the real clip and its hand-made truth."""
    folder = shared_data() / "footfall"
    if not (folder / "vtest.avi").is_file():
        pytest.skip(f"no vtest.avi in {folder}; set MSL_SHARED_DATA")
    return folder
