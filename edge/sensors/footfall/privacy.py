"""`msl-node privacy-check`: can anything but counts leave the process that sees? Tried, live.

Each row is an attempt made from inside a vision process that has locked itself down as the
counter's does. What was refused is a fact of this machine, not a promise of a document.
"""

import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum

from edge.sensors.footfall.aim_view import (
    MOST_HEIGHT_PX,
    MOST_WIDTH_PX,
    AimState,
    AimView,
    AimViewRejected,
    read_view,
)
from edge.sensors.footfall.counter import child_environment
from edge.sensors.footfall.reports import REPORT, ReportGate, ReportRejected

ESCAPES = "edge.sensors.footfall.vision.escapes"
AGENT_SIDE = "edge.sensors.footfall.counter, edge.sensors.footfall.stats"
TRY_S = 60
# What is tried, in the words of the table; the keys are the attempts in `vision.escapes`.
ATTEMPTS = {
    "connect_out": "open a network connection",
    "connect_locally": "talk to another process by a socket",
    "write_file": "open a file for writing",
    "read_file": "open a file for reading",
    "save_picture": "save a picture with OpenCV",
    "start_program": "start another program",
    "fork": "split off a process",
    "share_memory": "share memory with another process",
    "make_memory_file": "keep a picture in a memory file",
    "write_elsewhere": "write to anything but the count pipe",
    "signal_agent": "signal another process",
}


class Outcome(StrEnum):
    """How an attempt ended."""

    REFUSED = "refused"
    ESCAPED = "ESCAPED"
    NOT_TRIED = "NOT TRIED"
    WORKS = "works"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    what: str
    outcome: Outcome
    detail: str

    @property
    def good(self) -> bool:
        return self.outcome in (Outcome.REFUSED, Outcome.WORKS)


def check(leaks: tuple[str, ...] = ()) -> list[Finding]:
    """All rows; `leaks` opens the cage for these system calls, to see that it is noticed."""
    findings = [control(leaks)]
    findings += [attempt(name, what, leaks) for name, what in ATTEMPTS.items()]
    return [*findings, picture_as_counts(), opencv_in_agent(), fine_view_in_aim()]


def control(leaks: tuple[str, ...] = ()) -> Finding:
    """The caged process still counts: without this, a crash would look like safety."""
    said, code = run("count_on", leaks)
    works = said[1:] == b"E" and code == 0
    spaces = "with" if said[:1] == b"N" else "without (this host forbids them)"
    return Finding(
        "count a walker inside the sandbox",
        Outcome.WORKS if works else Outcome.BROKEN,
        f"seccomp, {spaces} namespaces" if works else f"ended with code {code}",
    )


def attempt(name: str, what: str, leaks: tuple[str, ...] = ()) -> Finding:
    """One attempt to get out."""
    said, code = run(name, leaks)
    if said[:1] not in (b"L", b"N"):
        return Finding(what, Outcome.NOT_TRIED, f"ended with code {code} before the attempt")
    if said[1:] or code != -signal.SIGSYS:
        return Finding(what, Outcome.ESCAPED, f"the call was let through (code {code})")
    return Finding(what, Outcome.REFUSED, "killed at the call (SIGSYS)")


def picture_as_counts() -> Finding:
    """Send the bytes of a picture where counts are due: the agent's own checks must refuse."""
    noise = random.Random(1)
    what = "pass a picture off as counts"
    for passed in range(1000):
        try:
            ReportGate(1).admit(noise.randbytes(REPORT.size))
        except ReportRejected:
            continue
        return Finding(what, Outcome.ESCAPED, f"accepted as a report, try {passed}")
    return Finding(
        what,
        Outcome.REFUSED,
        f"by range and rate; {REPORT.size} bytes a second of counts remain possible",
    )


def opencv_in_agent() -> Finding:
    """All that the agent imports for counting holds nothing that could decode a picture."""
    script = f"import sys, {AGENT_SIDE}; sys.exit('cv2' in sys.modules)"
    code = subprocess.run([sys.executable, "-c", script], timeout=TRY_S, check=False).returncode
    return Finding(
        "reach a frame from the agent's process",
        Outcome.ESCAPED if code else Outcome.REFUSED,
        "OpenCV is loaded there" if code else "no OpenCV, no frame pipe",
    )


def fine_view_in_aim() -> Finding:
    """Pass a picture finer than the placement view's grain to `msl-node aim`."""
    what = "show a fine picture by msl-node aim"
    wide = AimView(
        state=AimState.READY, gathered_s=60, needed_s=60, frame_width=640, frame_height=480,
        width=MOST_WIDTH_PX + 1, height=MOST_HEIGHT_PX, grey=b"",
    )  # fmt: skip
    reading, writing = os.pipe()
    try:
        os.write(writing, wide.pack())
        read_view(reading)
    except AimViewRejected:
        return Finding(what, Outcome.REFUSED, f"above {MOST_WIDTH_PX} x {MOST_HEIGHT_PX} px")
    finally:
        os.close(reading)
        os.close(writing)
    return Finding(what, Outcome.ESCAPED, "a finer view was taken")


def run(name: str, leaks: tuple[str, ...]) -> tuple[bytes, int]:
    """What a caged process said on its pipe, and how it ended."""
    done = subprocess.run(
        [sys.executable, "-m", ESCAPES, name, *leaks],
        stdin=subprocess.PIPE,
        capture_output=True,
        timeout=TRY_S,
        check=False,
        env=child_environment(),
    )
    return done.stdout, done.returncode
