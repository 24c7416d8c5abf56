"""How often a stranger may ask: a sliding minute an address, in memory."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

# Addresses remembered; beyond it the one that asked longest ago is forgotten.
MAX_ADDRESSES = 10_000


class RateLimit:
    """At most `per_minute` requests an address in any 60 s."""

    def __init__(self, per_minute: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock_s = clock_s
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may ask again; 0: it may now, and has been counted."""
        now_s = self._clock_s()
        times = self._seen.setdefault(address, deque())
        self._seen.move_to_end(address)
        if len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)
        while times and times[0] <= now_s - 60:
            times.popleft()
        if len(times) >= self._per_minute:
            return times[0] + 60 - now_s
        times.append(now_s)
        return 0.0
