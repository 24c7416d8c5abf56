"""One answer for everybody who asks within a while."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Keeps what was loaded for `least_age_s`; safe to use from several threads."""

    def __init__(self, least_age_s: float) -> None:
        self._least_age_s = least_age_s
        self._lock = threading.Lock()
        self._kept: tuple[float, T] | None = None

    def get(self, load: Callable[[], T]) -> T:
        """What is kept, or what `load` gives now; others who ask meanwhile wait for it."""
        with self._lock:
            now = time.monotonic()
            if self._kept is None or now - self._kept[0] > self._least_age_s:
                self._kept = (now, load())
            return self._kept[1]
