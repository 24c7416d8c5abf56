"""Asking a small system program, with a bound on how long."""

import subprocess
from collections.abc import Sequence

TIMEOUT_S = 5.0


class ProgramFailed(Exception):
    """The program is missing, hung, or ended with an error; the message says which."""


def output_of(command: Sequence[str], timeout_s: float = TIMEOUT_S) -> str:
    """What `command` prints; raises ProgramFailed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError as error:
        raise ProgramFailed(f"{command[0]} is not installed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramFailed(f"{command[0]} did not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ProgramFailed(
            f"{command[0]} ended with code {done.returncode}: {said[-1] if said else 'no reason'}"
        )
    return done.stdout
