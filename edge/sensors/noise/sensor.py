"""The noise sensor: a PCM source and a level meter, giving stamped slots to the window."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.sensors.noise.level_meter import LevelMeter, LevelSlot
from edge.sensors.noise.pcm import PcmBlock, PcmSource

NoiseState = Literal["ok", "mic_blocked"]


@dataclass(frozen=True, slots=True)
class NoisePiece:
    """125 ms of the noise stream.

    Args:
        boot_s: Boot time at which the piece began.
        seconds: Its length.
        slot: The levels; None when there was nothing to measure.
        state: "mic_blocked" when the input is constant, as only a dead or covered-up input is.
        lost_n: Samples lost on the way since the piece before.
    """

    boot_s: float
    seconds: float
    slot: LevelSlot | None
    state: NoiseState
    lost_n: int


class NoiseSensor:
    """Slots of one microphone's sound, in order.

    Args:
        source: Where the samples come from.
        sens_db: Level (dB re 20 µPa) of a full-scale sine by the nominal sensitivity.
    Raises:
        SettingsError: the source's sample rate has no weighting filter.
    """

    def __init__(self, source: PcmSource, sens_db: float) -> None:
        self.source = source
        self.sens_db = sens_db
        self._meter = LevelMeter(source.sample_rate_hz, sens_db)

    def pieces(self) -> Iterator[NoisePiece]:
        """Pieces until the source ends; raises SourceError when it stops delivering."""
        clock = _SlotClock(self.source.sample_rate_hz)
        for block in self.source.blocks():
            clock.saw(block)
            for slot in self._meter.push(block.samples):
                yield clock.piece(slot)
        for slot in self._meter.finish():
            yield clock.piece(slot)

    def close(self) -> None:
        """Let go of the source."""
        self.source.close()


class _SlotClock:
    """Boot times of slots, from the boot times of the blocks they were cut from."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._block_end_s = 0.0
        self._waiting_s = 0.0
        self._lost_n = 0

    def saw(self, block: PcmBlock) -> None:
        length_s = len(block.samples) / self._sample_rate_hz
        self._block_end_s = block.boot_s + length_s
        self._waiting_s += length_s
        self._lost_n += block.lost_n

    def piece(self, slot: LevelSlot) -> NoisePiece:
        begin_s = self._block_end_s - self._waiting_s
        self._waiting_s -= slot.seconds
        lost_n, self._lost_n = self._lost_n, 0
        measured = not slot.constant
        return NoisePiece(
            boot_s=begin_s,
            seconds=slot.seconds,
            slot=slot if measured else None,
            state="ok" if measured else "mic_blocked",
            lost_n=lost_n,
        )
