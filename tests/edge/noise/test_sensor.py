from collections.abc import Iterator

import numpy as np
import pytest

from edge.clock import FastClock
from edge.errors import SourceError
from edge.sensors.noise.pcm import PcmBlock
from edge.sensors.noise.sensor import NoisePiece, NoiseSensor
from edge.sensors.noise.stats import NoiseStats
from edge.simulate.pcm_microphone import EmulatedMicrophone
from edge.simulate.pcm_street import StreetSound, Tone, street_levels


class ScriptedSource:
    """Blocks of one second: noise, then a dead input, then noise after a gap."""

    sample_rate_hz = 48_000

    def blocks(self) -> Iterator[PcmBlock]:
        noise = 0.01 * np.random.default_rng(1).standard_normal(48_000)
        yield PcmBlock(noise, boot_s=100.0)
        yield PcmBlock(np.zeros(48_000), boot_s=101.0)
        yield PcmBlock(noise, boot_s=103.0, lost_n=48_000)

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def pieces() -> list[NoisePiece]:
    return list(NoiseSensor(ScriptedSource(), 120.0).pieces())


def test_pieces_are_stamped_with_the_time_they_began(pieces: list[NoisePiece]) -> None:
    expected = [begin + number * 0.125 for begin in (100, 101, 103) for number in range(8)]
    assert [piece.boot_s for piece in pieces] == pytest.approx(expected)


def test_constant_input_is_a_blocked_microphone_and_no_level(pieces: list[NoisePiece]) -> None:
    assert [piece.state for piece in pieces] == ["ok"] * 8 + ["mic_blocked"] * 8 + ["ok"] * 8
    assert all((piece.slot is None) == (piece.state == "mic_blocked") for piece in pieces)


def test_lost_samples_stand_on_the_piece_after_the_gap(pieces: list[NoisePiece]) -> None:
    assert [piece.lost_n for piece in pieces] == [0] * 16 + [48_000] + [0] * 7


def test_emulated_calibrator_reads_94_db() -> None:
    clock = FastClock(start_utc_s=1_790_000_000.0)
    microphone = EmulatedMicrophone(Tone(48_000, 120.0), clock)
    stats = NoiseStats()
    for piece in NoiseSensor(microphone, 120.0).pieces():
        assert piece.slot is not None
        stats.add(piece.slot)
        if stats.seconds >= 5:
            break
    assert clock.now_s == pytest.approx(5.0)
    assert stats.levels()["laeq"] == pytest.approx(94.0, abs=0.01)


@pytest.mark.parametrize("hour", [2, 14], ids=["night", "day"])
def test_street_has_the_level_it_is_meant_to_have(hour: int) -> None:
    start_utc_s = 1_790_000_000.0 // 86_400 * 86_400 + hour * 3600
    clock = FastClock(start_utc_s=start_utc_s)
    street = StreetSound(48_000, 120.0, vehicles_per_h=0, day_db=55, night_db=42)
    stats = NoiseStats()
    for piece in NoiseSensor(EmulatedMicrophone(street, clock), 120.0).pieces():
        assert piece.slot is not None
        stats.add(piece.slot)
        if stats.seconds >= 20:
            break
    assert stats.levels()["laeq"] == pytest.approx(55 if hour == 14 else 42, abs=0.3)


def test_vehicles_stand_out_of_the_background_by_day() -> None:
    start_utc_s = 1_790_000_000.0 // 86_400 * 86_400 + 14 * 3600
    street = StreetSound(48_000, 120.0)
    levels = [street.level_db(start_utc_s + second) for second in range(600)]
    assert 60 <= max(levels) <= 76
    assert min(levels) == pytest.approx(55.0, abs=0.5)


def test_same_seed_gives_the_same_samples() -> None:
    first, second, other = (StreetSound(48_000, 120.0, seed=seed) for seed in (3, 3, 4))
    at = 1_790_000_000.0
    np.testing.assert_array_equal(first.samples(at, 6000), second.samples(at, 6000))
    assert not np.array_equal(first.samples(at, 6000), other.samples(at, 6000))


def test_unplugged_microphone_stops_with_an_error() -> None:
    microphone = EmulatedMicrophone(Tone(48_000, 120.0), FastClock(start_utc_s=0.0))
    blocks = microphone.blocks()
    next(blocks)
    microphone.plugged = False
    with pytest.raises(SourceError, match="unplugged"):
        next(blocks)


def test_closed_microphone_ends_without_an_error() -> None:
    microphone = EmulatedMicrophone(Tone(48_000, 120.0), FastClock(start_utc_s=0.0))
    blocks = microphone.blocks()
    next(blocks)
    microphone.close()
    assert list(blocks) == []


def test_every_street_has_levels_of_its_own() -> None:
    streets = [street_levels(seed) for seed in range(1, 7)]
    assert len({street.night_db for street in streets}) == 6
    assert all(40 <= street.night_db <= 50 for street in streets)
    assert all(9 <= street.day_db - street.night_db <= 16 for street in streets)
    assert street_levels(3) == streets[2]
