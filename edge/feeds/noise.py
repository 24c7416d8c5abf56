"""Noise: a microphone through ALSA, a WAV file, or an emulated street."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from contract.streams import Stream
from edge.clock import Clock
from edge.errors import SettingsError
from edge.feeds.feed import Reading
from edge.sensors.noise.pcm import PcmSource
from edge.sensors.noise.sensor import NoisePiece, NoiseSensor
from edge.sensors.noise.stats import NoiseStats
from edge.settings import Settings
from edge.windows import Piece

if TYPE_CHECKING:
    from edge.simulate.pcm_street import Sound

LEAST_SAMPLE_RATE_HZ = 32_000


class NoiseFeed:
    """Level slots of one microphone.

    Args:
        open_source: Opens the microphone or file; anew after each failure.
        sens_db: Level of a full-scale sine by the datasheet.
    """

    stream = Stream.NOISE
    splits = False
    rev_part = None
    least_window_s = 0.0

    def __init__(
        self,
        open_source: Callable[[], PcmSource],
        sens_db: float,
        clock: Clock,
        *,
        ends: bool,
        simulated: bool,
    ) -> None:
        self.clock = clock
        self.sens_db = sens_db
        self.ends = ends
        self.simulated = simulated
        self._open_source = open_source
        self._source: PcmSource | None = None
        self._stopping = False

    def readings(self) -> Iterator[Reading]:
        self._source = source = self._open_source()
        try:
            for piece in NoiseSensor(source, self.sens_db).pieces():
                if self._stopping:
                    return
                yield Reading(Piece(piece.boot_s, piece.seconds, piece), piece.state)
        finally:
            source.close()

    def new_stats(self) -> "_Window":
        return _Window()

    def stop(self) -> None:
        self._stopping = True
        if self._source is not None:
            self._source.close()


class _Window:
    """One window's statistics; a piece without a slot was not measured."""

    def __init__(self) -> None:
        self._stats = NoiseStats()

    def add(self, piece: NoisePiece, seconds: float) -> None:
        if piece.slot is not None:
            self._stats.add(piece.slot)
        self._stats.add_lost(piece.lost_n)

    def record_fields(self) -> dict[str, Any]:
        return self._stats.record_fields()


def noise_feed(
    settings: Settings, clock: Clock, calibrator_db: float | None = None
) -> NoiseFeed | None:
    """The microphone that the settings name, or None.

    Args:
        calibrator_db: Level of a 1 kHz calibrator on an emulated microphone, instead of the street.
    """
    source = settings.text("noise.source")
    if source == "off":
        return None
    kind, _, target = source.partition(":")
    if kind not in ("alsa", "wav", "emulated") or (kind != "emulated" and not target):
        raise SettingsError(
            f"noise.source is {source!r}; expected off, alsa:DEVICE, wav:FILE or emulated"
        )
    if kind != "wav" and settings.integer("noise.sample_rate_hz") < LEAST_SAMPLE_RATE_HZ:
        raise SettingsError(
            f"noise.sample_rate_hz is {settings.integer('noise.sample_rate_hz')}; a street needs"
            f" {LEAST_SAMPLE_RATE_HZ} or more, for it has sound above 8 kHz"
        )
    sens_db = settings.number("noise.sens_db")
    openers = {"alsa": _alsa, "wav": _wav, "emulated": _street}
    if calibrator_db is not None:
        openers["emulated"] = lambda *_: _calibrator(calibrator_db, settings, clock)
    return NoiseFeed(
        lambda: openers[kind](target, settings, clock),
        sens_db,
        clock,
        ends=kind == "wav",
        simulated=kind == "emulated",
    )


def _alsa(device: str, settings: Settings, clock: Clock) -> PcmSource:
    from edge.sensors.noise.alsa import AlsaSource

    return AlsaSource(
        clock,
        device,
        sample_rate_hz=settings.integer("noise.sample_rate_hz"),
        channel=settings.integer("noise.channel"),
    )


def _wav(file: str, settings: Settings, clock: Clock) -> PcmSource:
    from edge.sensors.noise.wav import WavSource

    return WavSource(settings.base / file, clock)


def _street(_: str, settings: Settings, clock: Clock) -> PcmSource:
    from edge.simulate.pcm_street import StreetSound, street_levels

    seed = settings.integer("seed")
    levels = street_levels(seed)
    sound = StreetSound(
        settings.integer("noise.sample_rate_hz"),
        _true_sens_db(settings),
        seed=seed,
        day_db=settings.number("noise.day_db") or levels.day_db,
        night_db=settings.number("noise.night_db") or levels.night_db,
        vehicles_per_h=levels.vehicles_per_h,
        longitude_deg=settings.number("longitude_deg"),
    )
    return _microphone(sound, settings, clock)


def _calibrator(level_db: float, settings: Settings, clock: Clock) -> PcmSource:
    from edge.simulate.pcm_street import Tone

    tone = Tone(settings.integer("noise.sample_rate_hz"), _true_sens_db(settings), level_db)
    return _microphone(tone, settings, clock)


def _microphone(sound: "Sound", settings: Settings, clock: Clock) -> PcmSource:
    from edge.simulate.pcm_microphone import EmulatedMicrophone

    sample_rate_hz = settings.integer("noise.sample_rate_hz")
    return EmulatedMicrophone(sound, clock, sample_rate_hz=sample_rate_hz)


def _true_sens_db(settings: Settings) -> float:
    """Level of a full-scale sine at the emulated microphone, which its datasheet may get wrong."""
    return settings.number("noise.sens_db") - settings.number("noise.mic_error_db")
