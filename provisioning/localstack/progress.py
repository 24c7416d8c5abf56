"""How the stack says what it is doing while somebody waits."""

import sys
from collections.abc import Callable

Say = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Print one line of progress; standard output stays free for what a machine may read."""
    print(line, file=sys.stderr, flush=True)
