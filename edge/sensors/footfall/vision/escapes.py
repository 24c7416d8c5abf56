"""`python -m edge.sensors.footfall.vision.escapes NAME`: try to get out of the cage, once.

Run by `msl-node privacy-check`. The process warms up and locks itself down exactly as the
counter's does, says so on its one pipe, makes the attempt, and, if it is still alive, says that
too. Each attempt is what a bug or a stranger in the vision process would do with a picture.
"""

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path

import cv2
import numpy as np

from edge.sensors.footfall.vision.background import BackgroundDetector
from edge.sensors.footfall.vision.canary import Canary
from edge.sensors.footfall.vision.sandbox import lock_down

PICTURE = np.zeros((24, 32), np.uint8)
TARGET = Path(tempfile.gettempdir()) / f"msl-privacy-check-{os.getpid()}.png"


def connect_out() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach()


def connect_locally() -> None:
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach()


def write_file() -> None:
    os.open(TARGET, os.O_WRONLY | os.O_CREAT, 0o600)


def read_file() -> None:
    os.open("/etc/hostname", os.O_RDONLY)


def save_picture() -> None:
    cv2.imwrite(str(TARGET), PICTURE)


def start_program() -> None:
    os.execv("/bin/true", ["true"])  # noqa: S606


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def share_memory() -> None:
    shared_memory.SharedMemory(create=True, size=PICTURE.nbytes)


def make_memory_file() -> None:
    os.memfd_create("picture")


def write_elsewhere() -> None:
    os.write(2, PICTURE.tobytes())


def signal_agent() -> None:
    os.kill(os.getppid(), 0)


def count_on() -> None:
    """No attempt at all: the control that shows that the cage lets the counter live."""
    if not Canary(BackgroundDetector).alive(0.0):
        raise RuntimeError("canary missed inside the cage")


ESCAPES: dict[str, Callable[[], None]] = {
    "count_on": count_on,
    "connect_out": connect_out,
    "connect_locally": connect_locally,
    "write_file": write_file,
    "read_file": read_file,
    "save_picture": save_picture,
    "start_program": start_program,
    "fork": fork,
    "share_memory": share_memory,
    "make_memory_file": make_memory_file,
    "write_elsewhere": write_elsewhere,
    "signal_agent": signal_agent,
}


def main() -> int:
    attempt, leaks = ESCAPES[sys.argv[1]], tuple(sys.argv[2:])
    pipe = os.dup(1)
    os.dup2(2, 1)
    cv2.setNumThreads(1)
    Canary(BackgroundDetector).alive(0.0)
    isolated = lock_down(0, pipe, leaks=leaks)
    os.write(pipe, b"N" if isolated else b"L")
    # An error is no protection: the call was made, and a patient stranger tries another way.
    with contextlib.suppress(OSError):
        attempt()
    os.write(pipe, b"E")
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
