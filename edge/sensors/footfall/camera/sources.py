"""Where pictures come from: a file, a V4L2 or RTSP camera, `rpicam-vid`, or the emulated street.

Each source is an iterator of pictures without times; `camera` stamps and paces them.
"""

import os
import select
import subprocess
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sensors.footfall.frames import PixelFormat
from edge.sensors.footfall.source_spec import SourceKind, SourceSpec
from edge.simulate.lux_profiles import StreetLightProfile
from edge.simulate.scene import StreetScene
from edge.simulate.scene_sky import SkyScene

# OpenCV's own default of 30 s would hide a dead network camera for half a minute.
STREAM_TIMEOUT_MS = 10_000
RPICAM_TIMEOUT_S = 10.0
FALLBACK_FPS = 25.0


class NoCamera(SourceError):
    """The camera or file can't be opened; the sensor is down until it can."""

    state = "no_camera"


class VideoSource:
    """A file, device or stream through OpenCV, as I420."""

    format = PixelFormat.I420

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._capture = open_capture(spec)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 240 else FALLBACK_FPS

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        count = 0
        while True:
            ok, bgr = self._capture.read()
            if not ok:
                self._end(count)
                return
            count += 1
            yield to_i420(np.asarray(bgr, np.uint8))

    def _end(self, count: int) -> None:
        if self._spec.live:
            raise SourceError(
                f"{self._spec.to_text()} gave no picture after {count} frames;"
                " check cable, network and format"
            )
        if count == 0:
            raise SourceError(
                f"{self._spec.to_text()} holds no picture that can be decoded; play it to see"
            )


class RpicamSource:
    """A CSI camera through `rpicam-vid`: OpenCV can't open libcamera devices itself."""

    format = PixelFormat.I420

    def __init__(self, spec: SourceSpec) -> None:
        self.fps = spec.option("fps")
        self.width = int(spec.option("width")) // 2 * 2
        self.height = int(spec.option("height")) // 2 * 2
        command = rpicam_command(spec, self.width, self.height)
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        except FileNotFoundError:
            raise NoCamera("rpicam-vid is not installed; apt install rpicam-apps-lite") from None

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        rows = self.height * 3 // 2
        try:
            while True:
                pixels = np.empty((rows, self.width), np.uint8)
                self._fill(pixels.data.cast("B"))
                yield pixels
        finally:
            self._process.terminate()
            self._process.wait(timeout=5)

    def _fill(self, view: memoryview) -> None:
        assert self._process.stdout
        fd = self._process.stdout.fileno()
        while view:
            if not select.select([fd], [], [], RPICAM_TIMEOUT_S)[0]:
                raise SourceError(f"rpicam-vid gave no picture for {RPICAM_TIMEOUT_S:g} s")
            count = os.readv(fd, [view])
            if not count:
                raise SourceError(f"rpicam-vid ended with code {self._process.wait(timeout=5)}")
            view = view[count:]


class SceneSource:
    """The emulated street, in grey as a night camera would give it."""

    format = PixelFormat.GREY

    def __init__(self, spec: SourceSpec) -> None:
        self.fps = spec.option("fps")
        self._frames = int(spec.option("seconds") * self.fps)
        self._scene = scene_of(spec)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for number, picture in enumerate(self._scene.frames()):
            if self._frames and number >= self._frames:
                return
            yield picture


def scene_of(spec: SourceSpec) -> StreetScene:
    """The emulated street that `spec` describes."""
    street: dict[str, Any] = {
        "seed": int(spec.option("seed")),
        "width": int(spec.option("width")),
        "height": int(spec.option("height")),
        "fps": spec.option("fps"),
        "people_per_min": spec.option("people"),
        "groups": spec.option("groups"),
    }
    if not spec.option("sky"):
        return StreetScene(**street, light=spec.option("light"))
    profile = StreetLightProfile(
        latitude_deg=spec.option("latitude_deg"),
        longitude_deg=spec.option("longitude_deg"),
        lamp_lx=spec.option("lamp_lx"),
        seed=street["seed"],
        headlights_per_h=0,  # they sweep over the sensor on its pole, not over the footpath
    )
    return SkyScene(**street, profile=profile, begin_utc_s=spec.option("begin_utc_s"))


Source = VideoSource | RpicamSource | SceneSource


def open_source(spec: SourceSpec) -> Source:
    """Open what `spec` names; raises `NoCamera` with the reason."""
    if spec.kind is SourceKind.SCENE:
        return SceneSource(spec)
    if spec.kind is SourceKind.RPICAM:
        return RpicamSource(spec)
    return VideoSource(spec)


def open_capture(spec: SourceSpec) -> cv2.VideoCapture:
    """A capture of the right backend; raises `NoCamera` when it can't be opened."""
    if spec.kind is SourceKind.V4L2:
        capture = cv2.VideoCapture(spec.target, cv2.CAP_V4L2)
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, spec.option("width"))
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, spec.option("height"))
        # Old pictures are worth nothing; a short queue keeps the delay down.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    elif spec.kind is SourceKind.RTSP:
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        params = [value for prop in timeouts for value in (prop, STREAM_TIMEOUT_MS)]
        capture = cv2.VideoCapture(spec.target, cv2.CAP_FFMPEG, params)
    else:
        capture = cv2.VideoCapture(spec.target)
    if not capture.isOpened():
        raise NoCamera(f"{spec.to_text()} can't be opened; check that it is there and readable")
    return capture


def rpicam_command(spec: SourceSpec, width: int, height: int) -> list[str]:
    """`rpicam-vid` without preview, end or files: raw frames to its standard output."""
    return [
        "rpicam-vid", "--nopreview", "--timeout", "0", "--codec", "yuv420",
        "--camera", f"{spec.option('camera'):.0f}",
        "--width", str(width), "--height", str(height),
        "--framerate", f"{spec.option('fps'):g}", "--output", "-",
    ]  # fmt: skip


def to_i420(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, 3) BGR to planar 4:2:0; an odd last row or column is cut off."""
    height, width = bgr.shape[0] // 2 * 2, bgr.shape[1] // 2 * 2
    even = np.ascontiguousarray(bgr[:height, :width])
    return np.asarray(cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420), np.uint8)
