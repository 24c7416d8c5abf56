"""What a check found: its state, what was seen, and the next act."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is; `SKIPPED` says that the check had nothing to go by."""

    OK = "ok"
    WARN = "warn"
    FAILED = "FAILED"
    SKIPPED = "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's screen."""

    check: str
    state: State
    detail: str
    next_act: str | None = None


def ok(check: str, detail: str) -> Finding:
    return Finding(check, State.OK, detail)


def warn(check: str, detail: str, next_act: str) -> Finding:
    return Finding(check, State.WARN, detail, next_act)


def failed(check: str, detail: str, next_act: str) -> Finding:
    return Finding(check, State.FAILED, detail, next_act)


def skipped(check: str, detail: str) -> Finding:
    return Finding(check, State.SKIPPED, detail)
