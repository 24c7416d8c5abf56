"""How every sensor is doing, and since when: in runs, not points."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from contract.fields import as_text
from contract.records import SensorState
from edge.clock import Clock
from edge.spool_rows import to_t_ms

OK = "ok"
STARTING = "starting"
# A state must last this long before it is said: a person before the camera is no cover.
SETTLES_S = 10.0


@dataclass(slots=True)
class _Run:
    """One sensor's settled state, and the one that may follow it."""

    state: str
    detail: str | None
    since_ms: int
    next_state: str | None = None
    next_since_s: float = 0.0


class SensorStates:
    """The states of all sensors of a node.

    Args:
        on_change: Told (sensor, state, detail) when a state has settled; not for the first `ok`.
    """

    def __init__(self, clock: Clock, on_change: Callable[[str, str, str | None], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def seen(self, sensor: str, state: str) -> None:
        """A piece of measurement came in this state; it counts once it has lasted."""
        with self._lock:
            run = self._run(sensor)
            now_s = self._clock.boot_s()
            if state == run.state:
                run.next_state = None
                return
            if state != run.next_state:
                run.next_state, run.next_since_s = state, now_s
            settled = run.state == STARTING or now_s - run.next_since_s >= SETTLES_S
        if settled:
            self.set(sensor, state)

    def set(self, sensor: str, state: str, detail: str | None = None) -> None:
        """A state that is certain, such as a source that ended with an error."""
        said = as_text(detail) if detail else None
        with self._lock:
            run = self._run(sensor)
            if run.state == state:
                run.detail = said or run.detail
                return
            first = run.state == STARTING
            now_ms = to_t_ms(self._clock.utc_s())
            self._runs[sensor] = _Run(state, said, now_ms)
        if not (first and state == OK):
            self._on_change(sensor, state, said)

    def state_of(self, sensor: str) -> tuple[str, str | None]:
        """(state, detail); `absent` for a sensor this node doesn't have."""
        with self._lock:
            run = self._runs.get(sensor)
            return (run.state, run.detail) if run else ("absent", None)

    def watch(self, sensor: str) -> None:
        """Begin with a sensor that hasn't measured yet."""
        with self._lock:
            self._run(sensor)

    def snapshot(self) -> list[SensorState]:
        """All states, for the health record."""
        with self._lock:
            return [
                SensorState(sensor=name, state=run.state, since=run.since_ms, detail=run.detail)
                for name, run in sorted(self._runs.items())
            ]

    def _run(self, sensor: str) -> _Run:
        if sensor not in self._runs:
            self._runs[sensor] = _Run(STARTING, None, to_t_ms(self._clock.utc_s()))
        return self._runs[sensor]
