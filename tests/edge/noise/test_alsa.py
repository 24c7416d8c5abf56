"""The pipe, with a small program in arecord's place."""

import sys
import threading
import time

import numpy as np
import pytest

from edge.clock import FastClock
from edge.errors import SourceError
from edge.sensors.noise import alsa
from edge.sensors.noise.alsa import AlsaSource, arecord_command
from edge.sensors.noise.pcm import PcmBlock

# Writes 40 blocks of 125 ms of two channels: the left one counts frames, the right one is 7.
COUNTING = """
import struct, sys
for frame in range(40 * 100):
    sys.stdout.buffer.write(struct.pack("<ii", frame << 8, 7 << 8))
sys.stdout.buffer.flush()
{ending}
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded machine takes its time to start an interpreter; only one test is about that."""
    monkeypatch.setattr(alsa, "STALL_S", 90.0)


def source(ending: str = "", **settings: int | float) -> AlsaSource:
    program = [sys.executable, "-c", COUNTING.format(ending=ending)]
    kept = {"sample_rate_hz": 800, "settling_s": 0.0, **settings}
    return AlsaSource(FastClock(start_utc_s=0.0, now_s=50.0), command=program, **kept)  # type: ignore[arg-type]


def drain(microphone: AlsaSource) -> tuple[list[PcmBlock], SourceError]:
    """Every block, and the error that always ends them."""
    blocks: list[PcmBlock] = []
    try:
        for block in microphone.blocks():
            blocks.append(block)
    except SourceError as error:
        return blocks, error
    raise AssertionError("the pipe ended without an error")


def test_samples_of_the_chosen_channel_come_in_order() -> None:
    blocks, error = drain(source())
    samples = np.concatenate([block.samples for block in blocks]) * 2**31 / 256
    np.testing.assert_array_equal(samples, np.arange(4000))
    assert "ended with code 0" in str(error)


def test_other_channel_can_be_measured() -> None:
    first = next(iter(source(channel=1).blocks()))
    assert first.samples[0] == pytest.approx(7 * 256 / 2**31)
    assert first.boot_s == pytest.approx(50.0 - 0.125)


def test_settling_time_is_dropped() -> None:
    first = next(iter(source(settling_s=2.0).blocks()))
    assert first.samples[0] * 2**31 / 256 == 1600


def test_overrun_is_counted_as_lost_samples() -> None:
    ending = (
        "import time; sys.stderr.write('overrun!!! (at least 250.000 ms long)\\n');"
        "sys.stderr.flush(); time.sleep(0.3);"
        "sys.stdout.buffer.write(bytes(800)); sys.stdout.buffer.flush(); time.sleep(0.3)"
    )
    blocks, _ = drain(source(ending))
    assert sum(block.lost_n for block in blocks) == 200


def test_end_names_the_code_and_what_arecord_said() -> None:
    ending = "sys.exit('arecord: main:850: audio open error: No such device')"
    with pytest.raises(SourceError, match=r"hw:0,0 ended with code 1: .*No such device"):
        list(source(ending).blocks())


def test_silence_on_the_pipe_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa, "STALL_S", 0.2)
    with pytest.raises(SourceError, match="gave no sample for"):
        list(source("import time; time.sleep(30)").blocks())


def test_missing_arecord_says_what_to_install() -> None:
    microphone = AlsaSource(FastClock(start_utc_s=0.0), command=["arecord-that-is-not-there"])
    with pytest.raises(SourceError, match="install alsa-utils"):
        list(microphone.blocks())


def test_closing_ends_the_program() -> None:
    microphone = source("import time; time.sleep(30)")
    blocks = microphone.blocks()
    next(blocks)
    process = microphone._process
    assert process is not None
    microphone.close()
    assert process.poll() is not None


def test_closing_in_another_thread_ends_the_blocks_without_an_error() -> None:
    microphone = source("import time; time.sleep(30)")
    seen: list[PcmBlock] = []
    ended: list[str] = []

    def listen() -> None:
        seen.extend(microphone.blocks())
        ended.append("quietly")

    thread = threading.Thread(target=listen)
    thread.start()
    while microphone._process is None:
        time.sleep(0.01)
    time.sleep(0.2)
    microphone.close()
    thread.join(timeout=90)
    assert ended == ["quietly"]


def test_command_asks_for_raw_32_bit_frames_without_a_shell() -> None:
    asked = " ".join(arecord_command("hw:1,0", 48_000, 2))
    assert asked == "arecord -q -D hw:1,0 -f S32_LE -r 48000 -c 2 -t raw"
