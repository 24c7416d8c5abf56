"""The demo's processes: started in order, logged to files, watched, stopped in reverse order.

Each dies with the demo, also when that is killed: `setpriv --pdeathsig` (util-linux) asks the
kernel for it. They get a process group of their own, so that Ctrl-C reaches the demo alone and it
stops them in order.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.errors import MslError

_STOP_S = 15.0
_TAIL_LINES = 12


class ChildDied(MslError):
    """A process of the demo ended although nobody asked it to."""


@dataclass(frozen=True)
class Child:
    """A running process and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self) -> str:
        """The end of its log, indented."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])


class Children:
    """Processes that end with the `with` block, the last one first."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._children: list[Child] = []

    def __enter__(self) -> "Children":
        self._log_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start `argv` with `environ` over this process's own environment.

        Raises:
            MslError: `setpriv` is missing.
        """
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise MslError("setpriv is missing; install Debian's package util-linux")
        log = self._log_dir / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [setpriv, "--pdeathsig", "TERM", *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environ},
                process_group=0,
            )
        self._children.append(Child(name, process, log))

    def check(self) -> None:
        """Raise `ChildDied` with the end of its log when one has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise ChildDied(
                    f"{child.name} ended with {_how(code)}; its log {child.log} ends:\n"
                    f"{child.last_lines()}"
                )

    def stop(self) -> None:
        """Ask each to end, wait, and kill what doesn't."""
        for child in reversed(self._children):
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children.clear()


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
