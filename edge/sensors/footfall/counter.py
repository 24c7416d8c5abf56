"""The counter as the agent sees it: two processes started and watched, reports coming out.

    camera (opens the source) --frames--> vision (finds, follows, counts) --reports--> here

This side never sees a frame: the pipe between the two is closed here as soon as both have it.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator
from types import TracebackType
from typing import IO, Self

from edge.errors import SourceError
from edge.sensors.footfall.geometry import Geometry
from edge.sensors.footfall.models import DetectorSpec
from edge.sensors.footfall.reports import REPORT, Report, ReportGate
from edge.sensors.footfall.source_spec import SourceSpec

CAMERA = "edge.sensors.footfall.camera"
VISION = "edge.sensors.footfall.vision"
BACKGROUND = DetectorSpec("background")
# `vision` reports every second, and every two while a device is silent. Its start and a slow
# network camera's may take this long together; after that silence means that it hangs.
SILENCE_S = 40.0
# Once it is caged, `vision` has no words left: its end alone speaks.
REASONS = {
    3: ("frames broke off in the middle; restart the camera", "no_frames"),
    -signal.SIGSYS: ("vision tried what its sandbox forbids and was killed", "sandbox_violation"),
}
STOP_S = 3.0
# One picture at a time needs no pool of threads, and the sandbox allows none to start.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class CounterDied(SourceError):
    """One of the two processes ended; `state` is the reason that it gave."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


class FootfallCounter:
    """Counts people at one camera, as an iterator of reports.

    Args:
        source: The camera, file or scene.
        geometry: Lines and zone; a new geometry is a new counter.
        detector: What finds people; `ModelFolder().find` reads the setting.
        fast: Read a file or scene as quickly as it can be counted.
        start_s: Media time of the first frame of a file or scene, so that reports carry the
            agent's own boot time; devices are stamped with boot time anyway.
        each_frame: A report for every frame; files and scenes only.
    """

    def __init__(
        self,
        source: SourceSpec,
        geometry: Geometry,
        *,
        detector: DetectorSpec = BACKGROUND,
        fast: bool = False,
        start_s: float = 0.0,
        each_frame: bool = False,
    ) -> None:
        self.source = source
        self.geometry = geometry
        self.detector = detector
        self._camera_command = [
            *(sys.executable, "-m", CAMERA),
            *("--source", source.to_text(), "--start-s", repr(start_s)),
            *(["--fast"] if fast else []),
        ]
        self._vision_command = [
            *(sys.executable, "-m", VISION),
            *("--geometry", geometry.to_json()),
            *detector.arguments(),
            *(["--each-frame"] if each_frame else []),
        ]
        self._each_frame = each_frame
        self._camera: Child | None = None
        self._vision: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs, by name."""
        children = {"camera": self._camera, "vision": self._vision}
        return {name: child.pid for name, child in children.items() if child}

    def start(self) -> None:
        """Start both processes; raises `SettingsError` when the source's file is missing."""
        self.source.check_exists()
        frames_out, frames_in = os.pipe()
        try:
            self._camera = Child(self._camera_command, stdin=subprocess.DEVNULL, stdout=frames_in)
            self._vision = Child(self._vision_command, stdin=frames_out, stdout=subprocess.PIPE)
        finally:
            os.close(frames_out)
            os.close(frames_in)

    def stop(self) -> None:
        """End both processes; safe to call again."""
        for child in (self._vision, self._camera):
            if child:
                child.stop()
        self._camera = self._vision = None

    def restart(self) -> None:
        """Begin anew after an error; media time of a device goes on."""
        self.stop()
        self.start()

    def reports(self) -> Generator[Report, None, None]:
        """Reports until the source ends; starts the processes if need be.

        Raises `CounterDied` when a process ends early or hangs, `ReportRejected` when a report
        can't be true. Either way both processes have been stopped, and `restart` may be tried.
        """
        if self._vision is None:
            self.start()
        try:
            yield from self._checked_reports()
        finally:
            self.stop()

    def _checked_reports(self) -> Generator[Report, None, None]:
        gate = ReportGate(len(self.geometry.lines), rate_limited=not self._each_frame)
        while True:
            report = gate.admit(self._next_bytes())
            yield report
            if report.ended:
                return

    def _next_bytes(self) -> bytes:
        """One report's bytes; raises `CounterDied` at the pipe's end or after long silence."""
        assert self._vision
        data = b""
        while len(data) < REPORT.size:
            if not select.select([self._vision.stdout_fd], [], [], SILENCE_S)[0]:
                raise CounterDied(f"no report for {SILENCE_S:g} s; vision hangs", "no_reports")
            part = os.read(self._vision.stdout_fd, REPORT.size - len(data))
            if not part:
                raise self._reason_of_end()
            data += part
        return data

    def _reason_of_end(self) -> CounterDied:
        """Why the reports stopped: the camera's word counts first, for vision only follows it."""
        assert self._camera
        assert self._vision
        for name, child in (("camera", self._camera), ("vision", self._vision)):
            code, words = child.finish()
            if code and code != -signal.SIGPIPE:  # that one only followed the other's end
                state, colon, message = words.partition(": ")
                known = colon and state.replace("_", "").isalpha()
                if code in REASONS:
                    return CounterDied(*REASONS[code])
                return CounterDied(
                    f"{name} ended with code {code}: {message if known else words or 'no word'}",
                    state if known else f"{name}_died",
                )
        return CounterDied("vision closed its pipe without a last report", "vision_died")


def child_environment() -> dict[str, str]:
    """This process's environment with libraries kept to one thread."""
    return os.environ | ONE_THREAD


class Child:
    """A child process in a group of its own (Ctrl-C is for the agent), its last words kept."""

    def __init__(self, command: list[str], *, stdin: int, stdout: int) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
            env=child_environment(),
        )
        self._words: deque[str] = deque(maxlen=5)
        assert self._process.stderr
        # Read to the end always, so that a chatty library can't block the child.
        self._listener = threading.Thread(
            target=self._listen, args=(self._process.stderr,), daemon=True
        )
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout_fd(self) -> int:
        assert self._process.stdout
        return self._process.stdout.fileno()

    def finish(self) -> tuple[int, str]:
        """(exit code, last words) of a process that has ended or is about to; 0 if it hasn't."""
        try:
            code = self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            return 0, ""
        self._listener.join(timeout=STOP_S)
        return code, self._words[-1] if self._words else ""

    def terminate(self) -> None:
        """Ask it to end; `stop` waits until it has."""
        self._process.terminate()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=STOP_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _listen(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._words.append(line.decode(errors="replace").strip())
