"""The samples in `tests/payloads/`: one a topic, valid, and realistic where it matters."""

import pytest

from contract.batch import decode_batch, encode_batch
from contract.flags import Flag
from contract.json import encode
from contract.limits import MAX_PAYLOAD_BYTES
from contract.messages import Ack, Command, Config, Message, Status, WalkTestCounts
from contract.records import FootfallRecord, NoiseRecord
from contract.streams import DEFAULT_WINDOW_S, Stream
from contract.topics import STATUS, WALKTEST
from tests.contract.sample_payloads import FOLDER, sample_batch, sample_bytes
from tests.strategies import DECODE_MESSAGE

MESSAGES: dict[str, type[Message]] = {
    f"up-{STATUS}": Status,
    f"up-{WALKTEST}": WalkTestCounts,
    "down-ack": Ack,
    "down-config": Config,
    "down-command": Command,
}
STREAMS = pytest.mark.parametrize("stream", Stream)


def test_every_topic_has_one_sample() -> None:
    expected = {f"up-{stream}" for stream in Stream} | set(MESSAGES)
    assert {path.stem for path in FOLDER.glob("*.json")} == expected


@STREAMS
def test_sample_batch_decodes_whole_and_round_trips(stream: Stream) -> None:
    batch = sample_batch(stream)
    assert batch.rejects == ()
    again = decode_batch(stream, encode_batch(batch.header, batch.records))
    assert list(again.records) == list(batch.records)


@pytest.mark.parametrize("name", MESSAGES)
def test_sample_message_decodes_and_round_trips(name: str) -> None:
    kind = MESSAGES[name]
    message = DECODE_MESSAGE[kind](sample_bytes(name))
    assert type(message) is kind
    assert DECODE_MESSAGE[kind](encode(message)) == message


@STREAMS
def test_sample_batch_is_in_order_and_above_low(stream: Stream) -> None:
    batch = sample_batch(stream)
    seqs = [record.seq for record in batch.records]
    assert seqs == sorted(set(seqs))
    assert batch.header.low <= seqs[0]


@pytest.mark.parametrize(("stream", "window_s"), DEFAULT_WINDOW_S.items())
def test_sample_windows_are_on_the_utc_grid(stream: Stream, window_s: int) -> None:
    for record in sample_batch(stream).records:
        assert record.dur_s == window_s
        assert record.t % (window_s * 1000) == 0


@pytest.mark.parametrize("stream", [Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL])
def test_samples_show_a_measured_and_an_unmeasured_window(stream: Stream) -> None:
    valid = [record.valid_s for record in sample_batch(stream).records]
    assert 0 in valid
    assert max(valid) > 0


@STREAMS
def test_samples_say_that_they_are_simulated(stream: Stream) -> None:
    assert all(Flag.SIMULATED in record.flags for record in sample_batch(stream).records)


def test_noise_histogram_holds_eight_levels_a_second() -> None:
    for record in sample_batch(Stream.NOISE).records:
        assert isinstance(record, NoiseRecord)
        assert sum(n for _, n in record.laf_hist) == record.valid_s * 8


def test_footfall_sample_names_the_detector() -> None:
    batch = sample_batch(Stream.FOOTFALL)
    assert batch.header.rev.endswith("+yolox_nano:e8af0749")
    assert all(isinstance(record, FootfallRecord) for record in batch.records)


def test_four_hours_of_light_fit_one_payload() -> None:
    batch = sample_batch(Stream.LIGHT)
    blob = encode_batch(batch.header, [batch.records[0]])
    empty = len(blob) - len(encode(batch.records[0]))
    fits = (MAX_PAYLOAD_BYTES - empty) // (len(encode(batch.records[0])) + 1)
    assert fits >= 240, f"only {fits} light records fit"
