"""One reading of the node's own state: a value, or why there is none."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """A value, or None and the reason; never both, never a stand-in number."""

    value: T | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError(f"value {self.value!r} with reason {self.reason!r}: give just one")


def missing(reason: str) -> "Reading[T]":
    """No value, and why."""
    return Reading(None, reason)
