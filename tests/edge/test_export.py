"""The spool on a stick: all of it, beside a running node, and freed only by this spool's ack."""

import errno
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.batch import decode_batch
from contract.limits import MAX_PAYLOAD_BYTES
from contract.stick import (
    Acknowledgement,
    Batch,
    Head,
    StreamAck,
    encode_acknowledgement,
    read_stick,
)
from contract.streams import Stream
from contract.topics import parse_up
from edge.export import Exported, ExportFailed, acknowledge, export_to, read_acknowledgement
from edge.simulate.records import RecordSource, fill
from edge.spool import Spool
from tests.edge.conftest import NOON_S, SetClock

NODE = "lamp-01"
NOW_MS = int(NOON_S * 1000)
Open = Callable[..., Spool]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def write(spool: Spool, stick: Path) -> Exported:
    return export_to(stick, spool.path, NODE, now_ms=NOW_MS, progress=lambda *_: None)


def add(spool: Spool, source: RecordSource, stream: Stream, n: int) -> None:
    for _ in fill(spool, source, stream, start_ms=NOW_MS, count=n):
        pass


def seqs(path: Path, stream: Stream) -> list[int]:
    """The `seq` of a stream in a file, decoded as the server would."""
    found: list[int] = []
    with path.open("rb") as lines:
        for part in read_stick(lines):
            if isinstance(part, Head):
                assert part.node == NODE
                continue
            assert isinstance(part, Batch)
            assert len(part.payload) <= MAX_PAYLOAD_BYTES
            topic = parse_up(part.topic)
            assert topic is not None
            if topic.stream is stream:
                batch = decode_batch(stream, part.payload)
                assert not batch.rejects
                found += [record.seq for record in batch.records]
                first, last = found[-len(batch.records)], found[-1]
                assert dict(part.properties)["first"] == str(first)
                assert dict(part.properties)["last"] == str(last)
    return found


def ack_of(spool_id: str, stream: Stream, seq: int) -> Acknowledgement:
    own = StreamAck(spool=spool_id, stream=stream, seq=seq)
    return Acknowledgement(v=1, node=NODE, written_ms=NOW_MS, acks=[own])


def test_all_streams_are_written_while_the_node_goes_on(
    open_spool: Open, source: RecordSource, stick: Path
) -> None:
    spool = open_spool()  # held, as by a running agent
    add(spool, source, Stream.LIGHT, 900)
    add(spool, source, Stream.NOISE, 40)

    done = write(spool, stick)

    assert done.records == {Stream.LIGHT: 900, Stream.NOISE: 40}
    assert seqs(done.path, Stream.LIGHT) == list(range(1, 901))
    assert seqs(done.path, Stream.NOISE) == list(range(1, 41))
    assert spool.depth().records_n == 940
    add(spool, source, Stream.LIGHT, 10)
    assert seqs(write(spool, stick).path, Stream.LIGHT) == list(range(1, 911))
    assert [p.name for p in stick.iterdir()] == [f"{NODE}-{spool.id}.msl-stick"]


def test_an_empty_spool_gives_a_whole_file(open_spool: Open, stick: Path) -> None:
    done = write(open_spool(), stick)
    assert (done.records, done.batches_n) == ({}, 0)
    assert seqs(done.path, Stream.LIGHT) == []


def test_records_that_wait_for_the_clock_stay_behind(
    open_spool: Open, source: RecordSource, stick: Path, clock: SetClock
) -> None:
    spool = open_spool()
    add(spool, source, Stream.LIGHT, 2)
    clock.in_sync = False
    record = source.record(Stream.LIGHT, NOW_MS)
    spool.append(Stream.LIGHT, record, start_boot_s=clock.boot_s())
    spool.flush()

    done = write(spool, stick)

    assert (done.records, done.waiting_n) == ({Stream.LIGHT: 2}, 1)


def test_only_this_spools_acknowledgement_deletes(
    open_spool: Open, source: RecordSource, stick: Path
) -> None:
    spool = open_spool()
    add(spool, source, Stream.LIGHT, 10)
    write(spool, stick)
    with pytest.raises(ExportFailed, match=f"for spool zzzzzzzz, this node's is {spool.id}"):
        acknowledge(spool, ack_of("zzzzzzzz", Stream.LIGHT, 10))
    assert spool.depth().records_n == 10

    assert acknowledge(spool, ack_of(spool.id, Stream.LIGHT, 7)) == {Stream.LIGHT: 7}
    assert acknowledge(spool, ack_of(spool.id, Stream.LIGHT, 7)) == {Stream.LIGHT: 0}
    assert seqs(write(spool, stick).path, Stream.LIGHT) == [8, 9, 10]


def test_what_never_left_the_node_is_not_deleted(
    open_spool: Open, source: RecordSource, stick: Path
) -> None:
    spool = open_spool()
    add(spool, source, Stream.LIGHT, 5)
    write(spool, stick)
    add(spool, source, Stream.LIGHT, 5)
    assert acknowledge(spool, ack_of(spool.id, Stream.LIGHT, 8)) == {Stream.LIGHT: 5}
    assert spool.low(Stream.LIGHT) == 6


def test_an_old_copy_of_the_spool_deletes_nothing(
    open_spool: Open, source: RecordSource, stick: Path
) -> None:
    spool = open_spool()
    add(spool, source, Stream.LIGHT, 5)
    write(spool, stick)
    with pytest.raises(ExportFailed, match="light up to 6, which this spool never made"):
        acknowledge(spool, ack_of(spool.id, Stream.LIGHT, 6))
    assert spool.depth().records_n == 5


def test_too_little_room_is_said_before_anything_is_written(
    open_spool: Open, source: RecordSource, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool()
    add(spool, source, Stream.LIGHT, 10)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(500_000))
    with pytest.raises(ExportFailed, match=r"has 0\.5 MB free, the spool needs 1\.0"):
        write(spool, stick)
    assert list(stick.iterdir()) == []


def test_a_stick_that_fills_up_leaves_the_last_whole_file(
    open_spool: Open, source: RecordSource, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool()
    add(spool, source, Stream.LIGHT, 10)
    path = write(spool, stick).path
    whole = path.read_bytes()

    def full(_: int) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportFailed, match="No space left on device; the spool is untouched"):
        write(spool, stick)
    assert path.read_bytes() == whole
    assert list(stick.iterdir()) == [path]


def test_a_missing_stick_spool_or_file_is_named(
    open_spool: Open, stick: Path, tmp_path: Path
) -> None:
    spool = open_spool()
    with pytest.raises(ExportFailed, match="nowhere is no folder; is the stick mounted there"):
        write(spool, tmp_path / "nowhere")
    with pytest.raises(ExportFailed, match=r"there is no spool at .*; has this node run yet"):
        export_to(stick, tmp_path / "x.db", NODE, now_ms=NOW_MS, progress=lambda *_: None)
    with pytest.raises(ExportFailed, match=r"lamp-01\.ack\.json can't be read: .*msl import"):
        read_acknowledgement(stick, NODE)


def test_another_nodes_acknowledgement_is_refused(stick: Path) -> None:
    path = stick / "other.ack.json"
    ack = Acknowledgement(v=1, node="lamp-02", written_ms=NOW_MS, acks=[])
    path.write_bytes(encode_acknowledgement(ack))
    with pytest.raises(ExportFailed, match="is for lamp-02, this node is lamp-01"):
        read_acknowledgement(path, NODE)
    path.write_text("{}")
    with pytest.raises(ExportFailed, match="is no acknowledgement"):
        read_acknowledgement(path, NODE)
