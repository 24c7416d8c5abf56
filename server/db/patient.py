"""A connection that doesn't wait for ever for a server that neither answers nor goes away.

Keepalives and TCP's own timeout notice a dead host. They see nothing wrong with a stopped server,
or with a proxy in between that takes every byte and passes none on; a statement timeout is the
server's, and can't help when it is the server that is silent.
"""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

RV = TypeVar("RV")
_INTERVAL_S = 0.1


class PatientConnection(psycopg.Connection[Any]):
    """Closes itself, and raises `psycopg.OperationalError`, after `patience_s` without a sign.

    Attributes:
        patience_s: More than the longest statement may take.
    """

    patience_s = float("inf")

    def wait(
        self,
        gen: Generator[Any, Any, RV],
        interval: float = _INTERVAL_S,
        timeout: float | None = None,
    ) -> RV:
        """As psycopg's own, which calls it for everything it sends and receives."""
        return super().wait(self._impatient(gen), interval=interval, timeout=timeout)

    def _impatient(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        sign_s = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now_s = time.monotonic()
                if ready:
                    sign_s = now_s
                elif now_s - sign_s > self.patience_s:
                    self.close()
                    raise psycopg.OperationalError(
                        f"nothing from the database for {now_s - sign_s:.0f} s;"
                        " the connection is given up"
                    )
                wanted = gen.send(ready)
        except StopIteration as end:
            found: RV = end.value
            return found
