"""The pipe from camera to vision."""

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edge.sensors.footfall.frames import (
    HEADER,
    MAGIC,
    Frame,
    FrameReader,
    FramesCut,
    NoFrame,
    PixelFormat,
    write_end,
    write_frame,
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue  # the test closed its end itself


@pytest.mark.parametrize("pixel_format", [PixelFormat.GREY, PixelFormat.I420])
def test_a_frame_comes_out_as_it_went_in(pipe: tuple[int, int], pixel_format: PixelFormat) -> None:
    rows = 48 * 3 // 2 if pixel_format is PixelFormat.I420 else 48
    pixels = np.random.default_rng(1).integers(0, 256, (rows, 64), np.uint8)
    write_frame(pipe[1], Frame(7, 12.5, True, pixel_format, 64, 48, pixels))
    frame = FrameReader(pipe[0]).read(timeout_s=1)
    assert frame is not None
    assert (frame.number, frame.media_s, frame.live, frame.format) == (7, 12.5, True, pixel_format)
    assert np.array_equal(frame.pixels, pixels)
    assert frame.grey.shape == (48, 64)


def test_a_frame_larger_than_the_pipe_comes_through(pipe: tuple[int, int]) -> None:
    pixels = np.arange(800 * 600, dtype=np.uint32).astype(np.uint8).reshape(600, 800)
    frame = Frame(0, 0.0, False, PixelFormat.GREY, 800, 600, pixels)
    writer = threading.Thread(target=write_frame, args=(pipe[1], frame))
    writer.start()
    got = FrameReader(pipe[0]).read(timeout_s=5)
    writer.join()
    assert got is not None
    assert np.array_equal(got.pixels, pixels)


def test_the_end_mark_is_an_end(pipe: tuple[int, int]) -> None:
    write_end(pipe[1])
    assert FrameReader(pipe[0]).read(timeout_s=1) is None


def test_a_closed_pipe_without_end_mark_is_a_failure(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], HEADER.pack(MAGIC, PixelFormat.GREY, 0, 0, 0, 0.0, 64, 48))
    os.close(pipe[1])
    with pytest.raises(FramesCut, match="without an end mark"):
        FrameReader(pipe[0]).read(timeout_s=1)


def test_silence_is_named_after_its_time(pipe: tuple[int, int]) -> None:
    with pytest.raises(NoFrame, match=r"no frame for 0\.05 s"):
        FrameReader(pipe[0]).read(timeout_s=0.05)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.pack(b"JUNK", 1, 0, 0, 0, 0.0, 64, 48), "frame header begins with b'JUNK'"),
        (HEADER.pack(MAGIC, 9, 0, 0, 0, 0.0, 64, 48), "format 9"),
        (HEADER.pack(MAGIC, 1, 0, 0, 0, 0.0, 65535, 65535), "at most 4096 x 2304"),
        (HEADER.pack(MAGIC, 1, 0, 0, 0, 0.0, 0, 48), "at most 4096 x 2304"),
    ],
    ids=["magic", "format", "huge", "empty"],
)
def test_what_is_no_frame_is_refused(pipe: tuple[int, int], header: bytes, message: str) -> None:
    os.write(pipe[1], header)
    with pytest.raises(FramesCut, match=message):
        FrameReader(pipe[0]).read(timeout_s=1)
