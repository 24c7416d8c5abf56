"""Two cards with one spool: what the second says is kept, and not called a repetition."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from contract.events import Tamper
from contract.records import Record
from contract.streams import Stream
from server.ingest import replay
from server.ingest.dead_letter import DeadLetterFull
from tests.server.ingest.test_writer import LIMITS, HandReceiver, counted, eventually, running
from tests.server.ingest.testlab import BOOT, KEY, NODE, NOW_MS, SPOOL, Lab, Wire

pytestmark = pytest.mark.db
DAY_MS = 86_400_000


def other(wire: Wire) -> Wire:
    """The other card: the same numbers seven and a half minutes later."""
    return replace(wire, start_ms=wire.start_ms + 450_000)


def letters(lab: Lab) -> list[tuple[int, int]]:
    return lab.rows("SELECT first_seq, count FROM dead_letter ORDER BY first_seq")


def test_another_record_with_a_taken_seq_goes_to_the_dead_letter(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1, 2))
    for count in (1, 2):
        done = lab.store(other(wire).lights(1, 2, 3))
        assert done.records["light", "conflict"] == 2
        assert done.records["light", "duplicate"] == count - 1
        assert done.complete_to == {KEY: 3}
        assert letters(lab) == [(1, count), (2, count)]
    assert lab.ledger() == {"stored": [1, 2, 3]}
    assert "another time" in lab.one("SELECT min(reason) FROM dead_letter")


@pytest.mark.parametrize("stream", list(Stream))
def test_a_repetition_is_none(lab: Lab, wire: Wire, stream: Stream) -> None:
    make: dict[Stream, Callable[..., Record]] = {
        Stream.LIGHT: wire.light,
        Stream.NOISE: wire.noise,
        Stream.FOOTFALL: wire.footfall,
        Stream.HEALTH: wire.health,
        Stream.EVENT: lambda seq, **more: wire.event(seq, Tamper(open=True), **more),
    }
    ahead = make[stream](2, t=NOW_MS + DAY_MS)
    records = [make[stream](1), ahead, ahead]
    lab.store(wire.message(records, stream=stream))
    done = lab.store(wire.message(records, stream=stream))
    assert done.records[stream.value, "duplicate"] == 3
    assert letters(lab) == []


def test_two_that_come_together_conflict_too(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1), other(wire).lights(1))
    assert (lab.seqs(), letters(lab)) == ([1], [(1, 1)])


def test_what_may_be_past_retention_is_not_judged(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    lab.admin.execute("DELETE FROM light_raw")
    lab.admin.execute("UPDATE rollup_seal SET before = now() WHERE stream = 'light'")
    assert lab.store(wire.lights(1)).records["light", "duplicate"] == 1
    assert letters(lab) == []


def test_what_a_correction_moved_is_not_judged(lab: Lab, wire: Wire) -> None:
    ahead = wire.message([wire.light(1, t=NOW_MS + DAY_MS)])
    lab.store(ahead)
    correction = lab.one(
        "INSERT INTO clock_correction (node_id, spool, boot, offset_ms, reason)"
        " VALUES (%s, %s, %s, %s, 'seen') RETURNING correction_id",
        NODE, SPOOL, BOOT, -2 * DAY_MS,
    )  # fmt: skip
    lab.admin.execute("SELECT release_held(%s)", [correction])
    assert lab.seqs() == [1]
    assert lab.store(ahead).records["light", "duplicate"] == 1
    assert letters(lab) == []


def test_a_replayed_conflict_stays_a_letter(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    lab.store(other(wire).lights(1))
    number = lab.one("SELECT dead_letter_id FROM dead_letter")
    done = replay.replay(lab.conn, number, max_rows=10)
    assert "another time" in (done.refused or "")
    assert lab.one("SELECT replayed_at FROM dead_letter") is None


def test_conflicts_without_room_are_parked_and_the_others_go_on(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    with pytest.raises(DeadLetterFull):
        lab.store(other(wire).lights(1), dead_letter_max_rows=0)
    receiver = HandReceiver()
    clone = other(wire).lights(1)
    receiver.queue.extend([wire.lights(2), clone, wire.lights(3)])
    with running(lab, receiver, replace(LIMITS, dead_letter_max_rows=0)) as metrics:
        eventually(lambda: receiver.last_ack == 3)
        eventually(lambda: counted(metrics, "msl_ingest_parked_messages") == 1)
    assert clone.mid not in receiver.acked
