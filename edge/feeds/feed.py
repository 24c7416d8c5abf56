"""What a stream worker needs of a sensor, whatever it measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from contract.streams import Stream
from edge.clock import Clock
from edge.windows import Accumulator, Piece


@dataclass(frozen=True, slots=True)
class Reading:
    """A piece for the window, and the sensor's state while it was taken."""

    piece: Piece[Any]
    state: str


class Feed(Protocol):
    """One stream's source, from the sensor to what a window needs."""

    @property
    def stream(self) -> Stream:
        """The stream it feeds."""

    @property
    def clock(self) -> Clock:
        """What its pieces are stamped with."""

    @property
    def splits(self) -> bool:
        """Whether a piece over a window's end may be shared by both windows."""

    @property
    def least_window_s(self) -> float:
        """A window shorter than this may not say what was measured."""

    @property
    def ends(self) -> bool:
        """Whether it ends by itself: a file, or a scene of a given length."""

    @property
    def simulated(self) -> bool:
        """Whether it is emulated: its records carry `SIMULATED`."""

    @property
    def rev_part(self) -> str | None:
        """What the batch header's `rev` adds to the software's version, such as the detector."""

    @property
    def sens_db(self) -> float | None:
        """The microphone's nominal sensitivity; noise only."""

    def readings(self) -> Iterator[Reading]:
        """Open the source and give its pieces; raises `SensorError` when it fails.

        Called again after a failure. Returns when the source ends or `stop` was called.
        """

    def new_stats(self) -> Accumulator[Any]:
        """An empty window."""

    def stop(self) -> None:
        """Let `readings` return soon; called from another thread."""
