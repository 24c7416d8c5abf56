"""Where sound comes from: a source gives blocks of samples, each stamped with boot time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# One block of a source: short enough to keep far below 1 s of audio in memory.
BLOCK_S = 0.125


@dataclass(frozen=True, slots=True)
class PcmBlock:
    """Consecutive samples of one channel.

    Args:
        samples: (n,) with full scale at 1.0.
        boot_s: Boot time of the first sample.
        lost_n: Samples that went missing just before this block.
    """

    samples: NDArray[np.floating]
    boot_s: float
    lost_n: int = 0


class PcmSource(Protocol):
    """A microphone, a file, or an emulated microphone."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second."""

    def blocks(self) -> Iterator[PcmBlock]:
        """Blocks until the source ends; raises SourceError when it stops delivering."""

    def close(self) -> None:
        """Let go of the device or file; safe to repeat."""
