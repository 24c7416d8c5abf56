"""The placement view's two processes, started and ended from here; coarse views come out.

camera (opens the source) --frames--> vision.aim (median of a minute) --views--> here
"""

import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

from edge.sensors.footfall.aim_view import AimView, AimViewRejected, read_view
from edge.sensors.footfall.counter import CAMERA, Child
from edge.sensors.footfall.source_spec import SourceSpec

AIM_VISION = "edge.sensors.footfall.vision.aim"


class AimSession:
    """The latest view of one camera, kept in memory and nowhere else.

    Args:
        source: A file or scene is read as quickly as it can be looked at.
    """

    def __init__(self, source: SourceSpec) -> None:
        self.source = source
        self.view: AimView | None = None
        self.ended = ""
        self._children: list[Child] = []
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.source.check_exists()
        fast = [] if self.source.live else ["--fast"]
        camera = [sys.executable, "-m", CAMERA, "--source", self.source.to_text(), *fast]
        vision = [sys.executable, "-m", AIM_VISION]
        frames_out, frames_in = os.pipe()
        try:
            self._children.append(Child(camera, stdin=subprocess.DEVNULL, stdout=frames_in))
            self._children.append(Child(vision, stdin=frames_out, stdout=subprocess.PIPE))
        finally:
            os.close(frames_out)
            os.close(frames_in)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._children):
            child.terminate()
        if self._reader:
            self._reader.join()  # the pipe ends with its process
        for child in self._children:
            child.stop()
        self.view = None

    def _read(self) -> None:
        fd = self._children[-1].stdout_fd
        try:
            while (view := read_view(fd)) is not None:
                self.view = view
            words = [child.finish()[1] for child in self._children]
            self.ended = next(filter(None, words), "the camera's pictures have ended")
        except AimViewRejected as error:
            self.view, self.ended = None, str(error)
