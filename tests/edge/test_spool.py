"""The spool: nothing committed is lost, no `seq` is used twice, what is gone is declared."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import DecodeError
from contract.events import SpoolOverflow
from contract.flags import Flag
from contract.limits import CLOCK_WAIT_S
from contract.streams import Stream
from edge import spool as spool_module
from edge.simulate.records import RecordSource, noise_origin
from edge.spool import Spool
from edge.spool_answers import AckEffect, Slice, SpoolUnwritable
from edge.spool_file import SpoolBusy
from tests.edge.conftest import NOON_S, SetClock

LIGHT = Stream.LIGHT
NOON_MS = int(NOON_S * 1000)
OTHER_BOOT = "f" * 32
OpenSpool = Callable[..., Spool]


def spool_light(spool: Spool, source: RecordSource, n: int) -> None:
    for index in range(n):
        spool.append(LIGHT, source.record(LIGHT, NOON_MS + index * 60_000))
    spool.flush()


def held(spool: Spool, stream: Stream = LIGHT) -> list[int]:
    """Every `seq` that can be sent now."""
    seqs: list[int] = []
    while piece := read(spool, stream, seqs[-1] if seqs else 0):
        seqs += range(piece.first, piece.last + 1)
    return seqs


def read(spool: Spool, stream: Stream = LIGHT, after: int = 0, n: int = 1000) -> Slice | None:
    return spool.read(stream, after, max_records=n, max_bytes=60_000)


def bodies(spool: Spool, stream: Stream = LIGHT) -> list[dict[str, object]]:
    piece = read(spool, stream)
    return [json.loads(blob) for blob in piece.blobs] if piece else []


def test_record_can_be_read_only_after_its_commit(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool.append(LIGHT, source.record(LIGHT, NOON_MS))
    assert read(spool) is None
    assert spool.flush() == 1
    assert held(spool) == [1]


def test_record_that_breaks_the_contract_is_refused_at_once(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    record = source.record(LIGHT, NOON_MS)
    record.valid_s = 0.0
    with pytest.raises(DecodeError, match="valid_s is 0"):
        spool.append(LIGHT, record)
    with pytest.raises(ValueError, match="noise alone has it"):
        spool.append(Stream.NOISE, source.record(Stream.NOISE, NOON_MS))


def test_ack_deletes_up_to_what_it_names_and_seq_goes_on(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 5)
    spool.sent(LIGHT, 5)
    assert spool.ack(spool.id, LIGHT, 3) is AckEffect.MOVED
    assert held(spool) == [4, 5]
    assert spool.low(LIGHT) == 4
    spool.flush()
    assert spool.depth().records_n == 2
    assert spool.ack(spool.id, LIGHT, 3) is AckEffect.REPEATED


def test_seq_is_not_reused_after_everything_was_deleted(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 3)
    spool.sent(LIGHT, 3)
    spool.ack(spool.id, LIGHT, 3)
    spool.flush()
    spool.close()
    again = open_spool()
    assert again.low(LIGHT) == 4
    spool_light(again, source, 1)
    assert held(again) == [4]


def test_acks_that_are_not_ours_delete_nothing(open_spool: OpenSpool, source: RecordSource) -> None:
    spool = open_spool()
    spool_light(spool, source, 5)
    assert spool.ack("aaaaaaaa", LIGHT, 5) is AckEffect.OTHER_SPOOL
    assert spool.ack(spool.id, LIGHT, 6) is AckEffect.AHEAD
    spool.sent(LIGHT, 2)
    assert spool.ack(spool.id, LIGHT, 5) is AckEffect.MOVED  # as far as it was published
    assert held(spool) == [3, 4, 5]


def test_what_was_published_is_remembered_over_a_restart(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 5)
    spool.sent(LIGHT, 5)
    spool.flush()
    spool.close()
    again = open_spool()
    assert again.ack(again.id, LIGHT, 5) is AckEffect.MOVED


def test_batch_ends_where_its_header_would_change(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 2)
    spool.close()
    again = open_spool(boot=OTHER_BOOT)
    spool_light(again, source, 2)
    first = read(again)
    assert first is not None
    assert (first.first, first.last, first.origin.boot) == (1, 2, "0" * 31 + "1")
    second = read(again, after=2)
    assert second is not None
    assert (second.first, second.last, second.origin.boot) == (3, 4, OTHER_BOOT)


def test_batch_keeps_to_bytes_and_records(open_spool: OpenSpool, source: RecordSource) -> None:
    spool = open_spool()
    spool_light(spool, source, 10)
    size = len(bodies(spool)[0].__str__())
    assert read(spool, n=4).last == 4  # type: ignore[union-attr]
    three = spool.read(LIGHT, 0, max_records=100, max_bytes=3 * size)
    assert three is not None
    assert sum(len(blob) + 1 for blob in three.blobs) <= 3 * size
    alone = spool.read(LIGHT, 0, max_records=100, max_bytes=10)
    assert alone is not None
    assert len(alone.blobs) == 1


def test_overflow_drops_the_oldest_and_declares_them(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool(limit_bytes=6_000)
    for _ in range(30):
        spool_light(spool, source, 1)
    seqs = held(spool)
    assert seqs[-1] == 30
    assert seqs == list(range(seqs[0], 31))
    assert spool.low(LIGHT) == seqs[0] > 1
    declared = [e["body"] for e in bodies(spool, Stream.EVENT)]
    ranges = [(b["first"], b["last"]) for b in declared if b["stream"] == "light"]  # type: ignore[index]
    lost = [seq for first, last in ranges for seq in range(first, last + 1)]
    # Older declarations may have gone with the records; together with `low` nothing is unsaid.
    assert lost == list(range(lost[0], seqs[0]))
    assert spool.depth().used_bytes <= 6_000 + 500


def test_low_tells_what_overflow_took_even_without_its_event(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool(limit_bytes=3_000)
    for _ in range(60):
        spool_light(spool, source, 1)
    first = read(spool)
    assert first is not None
    assert first.low == first.first
    events = read(spool, Stream.EVENT)
    assert events is not None
    assert events.low > 1  # events of early overflows are gone too, and their own `low` says so


def test_full_disk_keeps_records_in_memory_until_it_takes_them(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 3)
    pages = spool._connection.execute("PRAGMA page_count").fetchone()[0]
    spool._connection.execute(f"PRAGMA max_page_count = {pages}")
    for index in range(200):
        spool.append(LIGHT, source.record(LIGHT, NOON_MS + index * 60_000))
    with pytest.raises(SpoolUnwritable, match="200 records wait in memory") as error:
        spool.flush()
    assert error.value.state == "disk_full"
    assert held(spool) == [1, 2, 3]
    spool._connection.execute("PRAGMA max_page_count = 1000000")
    assert spool.flush() == 200
    assert held(spool) == list(range(1, 204))


def test_records_dropped_from_memory_are_said(
    open_spool: OpenSpool, source: RecordSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "PENDING_MAX_N", 10)
    spool = open_spool()
    for index in range(13):
        spool.append(LIGHT, source.record(LIGHT, NOON_MS + index * 60_000))
    spool.flush()
    spool.flush()
    assert held(spool) == list(range(1, 11))
    detail = bodies(spool, Stream.EVENT)[0]["body"]["detail"]  # type: ignore[index]
    assert detail == "3 records never reached the disk"


def test_broken_file_is_set_aside_and_a_new_line_begins(
    open_spool: OpenSpool, source: RecordSource, tmp_path: Path
) -> None:
    spool = open_spool()
    spool_light(spool, source, 500)
    old_id = spool.id
    spool.close()
    data = bytearray((tmp_path / "spool.db").read_bytes())
    data[4096 : len(data) // 2] = bytes(len(data) // 2 - 4096)
    (tmp_path / "spool.db").write_bytes(data)
    again = open_spool()
    assert again.id != old_id
    spool_light(again, source, 1)
    assert held(again) == [1]
    event = bodies(again, Stream.EVENT)[0]["body"]
    assert event["state"] == "set_aside"  # type: ignore[index]
    assert len(list(tmp_path.glob("spool.db.broken-*"))) >= 1


def test_of_many_broken_files_the_newest_three_are_kept(
    open_spool: OpenSpool, source: RecordSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = open_spool()
    names = []
    for number in range(5):
        aside = spool.set_aside(f"test {number}")
        os.utime(aside, (number, number))
        names.append(aside.name)
    kept = {file.name for file in tmp_path.glob("spool.db.broken-*") if "-wal" not in file.name}
    assert kept == set(names[2:])
    assert f"{names[0]} is deleted" in caplog.text


def test_file_that_breaks_while_running_is_set_aside(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 3)
    old_id = spool.id
    spool.set_aside("test")
    assert spool.id != old_id
    spool_light(spool, source, 2)
    assert held(spool) == [1, 2]
    assert spool.ack(old_id, LIGHT, 2) is AckEffect.OTHER_SPOOL


def test_file_that_breaks_on_a_full_disk_stays_until_there_is_room(
    open_spool: OpenSpool, source: RecordSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool()
    spool_light(spool, source, 3)
    old_id = spool.id

    def malformed(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def no_room(path: Path) -> Path:
        error = sqlite3.OperationalError(f"{path}: database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    spool.append(LIGHT, source.record(LIGHT, NOON_MS))
    with monkeypatch.context() as broken:
        broken.setattr("edge.spool_rows.freeze", malformed)
        broken.setattr("edge.spool_file.successor", no_room)
        with pytest.raises(SpoolUnwritable, match="1 records wait in memory") as refused:
            spool.flush()
    assert refused.value.state == "disk_full"
    assert (spool.id, held(spool)) == (old_id, [1, 2, 3])
    assert spool.flush() == 1  # it was only a moment's fault: nothing was set aside


def test_two_processes_cannot_hold_one_spool(open_spool: OpenSpool) -> None:
    open_spool()
    with pytest.raises(SpoolBusy, match="in use by another process"):
        open_spool()


def test_quarantine_takes_one_record_and_names_it(
    open_spool: OpenSpool, source: RecordSource
) -> None:
    spool = open_spool()
    spool_light(spool, source, 3)
    spool.quarantine(LIGHT, 2, "never acknowledged")
    assert held(spool) == [1, 3]
    assert read(spool).last == 1  # type: ignore[union-attr]
    body = bodies(spool, Stream.EVENT)[0]["body"]
    assert body == {
        "kind": "quarantine",
        "stream": "light",
        "spool": spool.id,
        "first": 2,
        "last": 2,
        "detail": "never acknowledged",
    }


def test_event_says_when_it_happened(open_spool: OpenSpool) -> None:
    spool = open_spool()
    spool.event(SpoolOverflow(stream=LIGHT, spool=spool.id, first=1, last=1))
    spool.flush()
    assert bodies(spool, Stream.EVENT)[0]["t"] == NOON_MS


class TestClockThatIsNotInSync:
    """`t` is frozen at first publication: it waits for the clock, but not for ever."""

    def spool_waiting(self, spool: Spool, source: RecordSource, start_boot_s: float) -> None:
        spool.append(LIGHT, source.record(LIGHT, NOON_MS), start_boot_s=start_boot_s)
        spool.flush()

    def test_record_waits_and_is_timed_by_the_boot_clock(
        self, open_spool: OpenSpool, source: RecordSource, clock: SetClock
    ) -> None:
        clock.in_sync = False
        spool = open_spool()
        self.spool_waiting(spool, source, start_boot_s=900.0)
        spool_light(spool, source, 1)
        assert held(spool) == []  # the second may not overtake the first
        clock.boot, clock.offset, clock.in_sync = 1300.0, NOON_S + 5_000.0, True
        spool.flush()
        assert [body["t"] for body in bodies(spool)] == [round((NOON_S + 5_900) * 1000), NOON_MS]
        assert bodies(spool)[0]["flags"] == []

    def test_record_goes_flagged_after_the_wait(
        self, open_spool: OpenSpool, source: RecordSource, clock: SetClock
    ) -> None:
        clock.in_sync = False
        spool = open_spool()
        self.spool_waiting(spool, source, start_boot_s=900.0)
        clock.boot += CLOCK_WAIT_S
        spool.flush()
        assert held(spool) == []
        clock.boot += 1
        spool.flush()
        assert bodies(spool)[0]["flags"] == [Flag.CLOCK_UNSYNCED]
        assert bodies(spool)[0]["t"] == NOON_MS

    def test_record_of_an_ended_boot_goes_flagged_at_once(
        self, open_spool: OpenSpool, source: RecordSource, clock: SetClock
    ) -> None:
        clock.in_sync = False
        spool = open_spool()
        self.spool_waiting(spool, source, start_boot_s=900.0)
        spool.close()
        clock.in_sync = True
        again = open_spool(boot=OTHER_BOOT)
        again.flush()
        assert bodies(again)[0]["flags"] == [Flag.CLOCK_UNSYNCED]

    def test_agent_restart_within_the_boot_still_gets_the_true_time(
        self, open_spool: OpenSpool, source: RecordSource, clock: SetClock
    ) -> None:
        clock.in_sync = False
        spool = open_spool()
        self.spool_waiting(spool, source, start_boot_s=900.0)
        spool.close()
        clock.in_sync = True
        again = open_spool()
        again.flush()
        assert bodies(again)[0]["t"] == round((clock.offset + 900.0) * 1000)

    def test_record_of_an_earlier_software_does_not_stop_the_others(
        self, open_spool: OpenSpool, source: RecordSource, clock: SetClock
    ) -> None:
        clock.in_sync = False
        spool = open_spool()
        self.spool_waiting(spool, source, start_boot_s=900.0)
        spool._connection.execute(
            "UPDATE record SET body = json_set(body, '$.lux_mean', 1, '$.lux_max', NULL)"
        )
        spool.close()
        again = open_spool(boot=OTHER_BOOT)
        clock.in_sync = True
        spool_light(again, source, 1)
        assert held(again) == [1, 2]
        assert bodies(again)[0]["flags"] == [Flag.CLOCK_UNSYNCED]
        assert bodies(again)[0]["lux_mean"] == 1

    def test_clock_at_1970_still_makes_a_valid_event(
        self, open_spool: OpenSpool, clock: SetClock
    ) -> None:
        clock.in_sync, clock.offset = False, 0.0
        spool = open_spool()
        spool.event(SpoolOverflow(stream=LIGHT, spool=spool.id, first=1, last=1))
        assert spool.flush() == 1


def test_noise_carries_its_sensitivity(open_spool: OpenSpool, source: RecordSource) -> None:
    spool = open_spool()
    spool.append(Stream.NOISE, source.record(Stream.NOISE, NOON_MS), origin=noise_origin(spool))
    spool.flush()
    piece = read(spool, Stream.NOISE)
    assert piece is not None
    assert piece.origin.sens_db == 120.0


def test_disk_error_leaves_the_transaction_undone(
    open_spool: OpenSpool, source: RecordSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool()
    spool_light(spool, source, 2)
    spool.append(LIGHT, source.record(LIGHT, NOON_MS))

    def broken(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr("edge.spool_rows.freeze", broken)
    with pytest.raises(SpoolUnwritable) as caught:
        spool.flush()
    assert caught.value.state == "disk_error"
    monkeypatch.undo()
    assert held(spool) == [1, 2]
    assert spool.flush() == 1
    assert held(spool) == [1, 2, 3]
