"""An emulated microphone: a sound delivered in blocks at the pace of the clock."""

from collections.abc import Iterator

from edge.clock import Clock
from edge.errors import SourceError
from edge.sensors.noise.pcm import BLOCK_S, PcmBlock
from edge.simulate.pcm_street import Sound


class EmulatedMicrophone:
    """A PCM source without hardware.

    Args:
        sound: What there is to hear.
        clock: Paces and stamps the blocks.
        sample_rate_hz: Samples a second.
        block_s: Length of a block.
    """

    def __init__(
        self,
        sound: Sound,
        clock: Clock,
        *,
        sample_rate_hz: int = 48_000,
        block_s: float = BLOCK_S,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.plugged = True
        self._closed = False
        self._sound = sound
        self._clock = clock
        self._block_n = max(1, round(block_s * sample_rate_hz))

    def blocks(self) -> Iterator[PcmBlock]:
        """Blocks until `close()`; raises SourceError once unplugged."""
        begin_s, begin_utc_s, played_n = self._clock.boot_s(), self._clock.utc_s(), 0
        while not self._closed:
            offset_s = played_n / self.sample_rate_hz
            samples = self._sound.samples(begin_utc_s + offset_s, self._block_n)
            played_n += self._block_n
            self._clock.sleep(begin_s + played_n / self.sample_rate_hz - self._clock.boot_s())
            if not self.plugged:
                raise SourceError("the emulated microphone was unplugged; plug it in again")
            yield PcmBlock(samples, begin_s + offset_s)

    def close(self) -> None:
        """End `blocks()`."""
        self._closed = True
