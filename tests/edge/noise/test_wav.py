import io
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.clock import FastClock
from edge.errors import SourceError
from edge.sensors.noise.wav import WavSource, read_header

WriteWav = Callable[..., Path]


def read(path: Path, block_s: float = 0.125) -> NDArray[np.floating]:
    source = WavSource(path, FastClock(start_utc_s=0.0), block_s)
    try:
        return np.concatenate([block.samples for block in source.blocks()])
    finally:
        source.close()


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def fmt(encoding: int, bits: int, channels: int = 1) -> tuple[bytes, bytes]:
    frame = channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", encoding, channels, 48_000, 48_000 * frame, frame, bits)


WANTED = np.array([0.0, 0.5, -0.5, 0.25, -1.0])


@pytest.mark.parametrize(
    "stored",
    [
        (WANTED * 2**15).astype("<i2"),
        (WANTED * 2**31).astype("<i4"),
        WANTED.astype("<f4"),
        WANTED.astype("<f8"),
    ],
    ids=["16 bit", "32 bit", "float", "double"],
)
def test_every_encoding_gives_the_same_samples(
    write_wav: WriteWav, stored: NDArray[np.generic]
) -> None:
    np.testing.assert_allclose(read(write_wav(stored)), WANTED, atol=1e-9)


def test_24_bit_gives_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(48_000)
        ints = (WANTED * 2**23).astype(int)
        file.writeframes(b"".join(int(i).to_bytes(3, "little", signed=True) for i in ints))
    np.testing.assert_allclose(read(path), WANTED, atol=1e-9)


def test_first_channel_of_several_is_measured(write_wav: WriteWav) -> None:
    stereo = np.stack((WANTED, np.full(5, 0.1)), axis=1).astype("<f4")
    np.testing.assert_allclose(read(write_wav(stereo)), WANTED, atol=1e-7)


def test_extensible_format_is_read(tmp_path: Path) -> None:
    name, plain = fmt(0xFFFE, 16)
    guid = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    extended = plain + struct.pack("<HHI", 22, 16, 0) + guid
    path = tmp_path / "sound.wav"
    data = (WANTED * 2**15).astype("<i2").tobytes()
    path.write_bytes(riff((name, extended), (b"LIST", b"odd!"), (b"data", data)))
    np.testing.assert_allclose(read(path), WANTED, atol=1e-9)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_size_that_a_cut_off_recorder_left_means_up_to_the_end(tmp_path: Path, size: int) -> None:
    path = tmp_path / "sound.wav"
    whole = riff(fmt(1, 16), (b"data", b""))
    samples = (WANTED * 2**15).astype("<i2").tobytes()
    path.write_bytes(whole[:-4] + struct.pack("<I", size) + samples + b"\x01")
    np.testing.assert_allclose(read(path), WANTED, atol=1e-9)


def test_chunks_after_the_samples_are_not_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    samples = (WANTED * 2**15).astype("<i2").tobytes()
    path.write_bytes(riff(fmt(1, 16), (b"data", samples), (b"LIST", b"\x7f" * 400)))
    np.testing.assert_allclose(read(path), WANTED, atol=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a WAV file: it begins with b''"),
        (b"OggS" + bytes(40), "not a WAV file: it begins with b'OggS'"),
        (riff(fmt(1, 8), (b"data", b"1234")), "1 channels of 8 bit in encoding 1"),
        (riff(fmt(85, 16), (b"data", b"1234")), "in encoding 85"),
        (riff((b"data", b"1234")), "no fmt chunk"),
        (riff(fmt(1, 16)), "no data chunk"),
        (riff((b"fmt ", b"\x01\x00")), "fmt chunk of 2 bytes"),
    ],
)
def test_what_is_not_wav_is_refused_with_what_was_seen(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_header(io.BytesIO(content), "sound.wav")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"can't open .*nowhere\.wav: No such file"):
        WavSource(tmp_path / "nowhere.wav", FastClock(start_utc_s=0.0))


def test_file_plays_at_its_own_pace_on_the_clock(write_wav: WriteWav) -> None:
    clock = FastClock(start_utc_s=0.0, now_s=100.0)
    source = WavSource(write_wav(np.zeros(48_000, "<i2")), clock)
    stamps = [(block.boot_s, clock.boot_s()) for block in source.blocks()]
    source.close()
    assert len(stamps) == 8
    assert stamps[0] == pytest.approx((100.0, 100.125))
    assert stamps[-1] == pytest.approx((100.875, 101.0))


def test_no_block_holds_more_than_asked_for(write_wav: WriteWav) -> None:
    source = WavSource(write_wav(np.zeros(48_001, "<i2")), FastClock(start_utc_s=0.0))
    lengths = [len(block.samples) for block in source.blocks()]
    source.close()
    assert lengths == [6000] * 8 + [1]


def test_the_64_bit_header_of_a_large_file_says_where_the_sound_ends(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    samples = (WANTED * 2**15).astype("<i2").tobytes()
    ds64 = struct.pack("<QQQI", 0, len(samples), len(WANTED), 0)
    whole = riff((b"ds64", ds64), fmt(1, 16), (b"data", samples), (b"LIST", b"\x7f" * 40))
    at = whole.index(b"data") + 4
    path.write_bytes(b"RF64" + whole[4:at] + b"\xff" * 4 + whole[at + 4 :])
    np.testing.assert_allclose(read(path), WANTED, atol=1e-9)


def test_a_float_that_is_no_number_is_refused_with_its_place(write_wav: WriteWav) -> None:
    samples = np.zeros(96_000, np.float32)
    samples[60_000] = np.nan
    with pytest.raises(SourceError, match=r"holds a sample that is no number.*after 1\.0 s"):
        read(write_wav(samples), block_s=1.0)
