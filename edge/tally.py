"""A tally by keys: somebody watches the line and presses one key for each person."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

HELP = "a: one from A to B   b: one from B to A   u: take the last one back   q: give up"


@dataclass
class Tally:
    """Crossings by hand."""

    pressed: list[str] = field(default_factory=list)
    given_up: bool = False

    def press(self, key: str) -> None:
        """Take one key; others than those of `HELP` do nothing."""
        if key in ("a", "b"):
            self.pressed.append(key)
        elif key == "u" and self.pressed:
            self.pressed.pop()
        elif key == "q":
            self.given_up = True

    @property
    def a_to_b(self) -> int:
        return self.pressed.count("a")

    @property
    def b_to_a(self) -> int:
        return self.pressed.count("b")


def tally_until(
    end_utc_s: float, show: Callable[[Tally, float], None], now_s: Callable[[], float] = time.time
) -> Tally:
    """Read keys from standard input until a moment, or until `q`.

    Args:
        show: Called after each key and once a second with the tally and the seconds left.
    """
    tally, open_in = Tally(), True
    with _single_keys():
        while not tally.given_up and (left_s := end_utc_s - now_s()) > 0:
            wait_s = min(1.0, left_s)
            if not open_in:
                time.sleep(wait_s)
            elif select.select([sys.stdin], [], [], wait_s)[0]:
                keys = os.read(sys.stdin.fileno(), 64).decode(errors="ignore").lower()
                open_in = bool(keys)
                for key in keys:
                    tally.press(key)
            show(tally, max(0.0, end_utc_s - now_s()))
    return tally


@contextlib.contextmanager
def _single_keys() -> Iterator[None]:
    """Keys one by one, without Enter, while standard input is a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
