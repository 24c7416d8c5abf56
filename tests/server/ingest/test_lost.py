"""Records that will never come: declared by an event or by `low`, never by silence."""

import pytest

from contract.events import Quarantine, SpoolOverflow
from contract.streams import Stream
from server.ingest.inbound import LedgerKey, Message
from tests.server.ingest.testlab import KEY, NODE, SPOOL, Lab, Wire

pytestmark = pytest.mark.db


def overflow(wire: Wire, seq: int, first: int, last: int, **header: object) -> Message:
    body = SpoolOverflow(stream=Stream.LIGHT, spool=SPOOL, first=first, last=last)
    return wire.message([wire.event(seq, body)], stream=Stream.EVENT)


def losses(lab: Lab) -> list[tuple[int, int, str]]:
    rows = lab.rows("SELECT first_seq, last_seq, cause FROM loss ORDER BY loss_id")
    return [(first, last, cause) for first, last, cause in rows]


def test_an_overflow_event_closes_the_gap(lab: Lab, wire: Wire) -> None:
    assert lab.store(wire.lights(1, 2, 6)).complete_to == {KEY: 2}

    done = lab.store(overflow(wire, 1, 3, 5))

    assert done.complete_to == {KEY: 6, LedgerKey(NODE, SPOOL, Stream.EVENT): 1}
    assert lab.ledger() == {"stored": [1, 2, 6], "lost": [3, 4, 5]}
    assert losses(lab) == [(3, 5, "spool_overflow")]


def test_a_quarantined_record_is_lost_with_its_reason(lab: Lab, wire: Wire) -> None:
    body = Quarantine(stream=Stream.NOISE, spool=SPOOL, first=1, last=1, detail="never acked")
    lab.store(wire.message([wire.event(1, body)], stream=Stream.EVENT))

    assert lab.ledger(Stream.NOISE) == {"lost": [1]}
    assert lab.rows("SELECT stream, cause, detail FROM loss") == [
        ("noise", "quarantine", "never acked")
    ]


def test_a_raised_low_declares_what_is_below_it(lab: Lab, wire: Wire) -> None:
    # The spool overflowed, and the event that would say so was lost too.
    lab.store(wire.lights(1, 2))
    done = lab.store(wire.lights(10, 11, low=10))

    assert done.complete_to == {KEY: 11}
    assert lab.ledger() == {"stored": [1, 2, 10, 11], "lost": list(range(3, 10))}
    assert losses(lab) == [(3, 9, "below_low")]


def test_what_is_above_low_stays_a_gap(lab: Lab, wire: Wire) -> None:
    assert lab.store(wire.lights(8, low=5)).complete_to == {KEY: 4}
    assert lab.rows("SELECT first_seq, last_seq FROM ledger_gap") == [(5, 7)]


def test_low_never_falls(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(10, low=10))
    lab.store(wire.lights(11, low=4))
    assert lab.one("SELECT low FROM ledger") == 10
    assert losses(lab) == [(1, 9, "below_low")]


def test_a_lost_record_that_arrives_is_stored_and_no_longer_lost(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(5, low=5))
    done = lab.store(wire.lights(2, 3, low=1))

    assert done.complete_to == {KEY: 5}
    assert lab.seqs() == [2, 3, 5]
    assert lab.ledger() == {"stored": [2, 3, 5], "lost": [1, 4]}


def test_a_record_and_its_loss_in_one_transaction_are_a_record(lab: Lab, wire: Wire) -> None:
    lab.store(overflow(wire, 1, 1, 4), wire.lights(2, 5, low=5))

    assert lab.ledger() == {"stored": [2, 5], "lost": [1, 3, 4]}
    # The event is the better reason; `low` has nothing left to explain.
    assert losses(lab) == [(1, 1, "spool_overflow"), (3, 4, "spool_overflow")]


def test_an_event_names_the_cause_of_what_low_only_implied(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(5, low=5))
    lab.store(overflow(wire, 1, 1, 4))
    assert losses(lab) == [(1, 4, "below_low"), (1, 4, "spool_overflow")]
    assert lab.ledger() == {"stored": [5], "lost": [1, 2, 3, 4]}


def test_a_repeated_event_declares_nothing_twice(lab: Lab, wire: Wire) -> None:
    lab.store(overflow(wire, 1, 1, 4))
    lab.store(overflow(wire, 1, 1, 4))
    assert losses(lab) == [(1, 4, "spool_overflow")]


def test_a_database_restored_from_an_older_backup_declares_what_the_node_deleted(
    lab: Lab, wire: Wire
) -> None:
    lab.store(wire.lights(*range(1, 21)))
    backup = lab.rows("SELECT stored FROM ledger")
    lab.store(wire.lights(*range(21, 41)))
    # The backup knows 1 to 20; the node was told 40, and has deleted up to there.
    lab.admin.execute("DELETE FROM light_raw WHERE seq > 20")
    lab.admin.execute("UPDATE ledger SET stored = %s", backup[0])

    done = lab.store(wire.lights(41, low=41))

    assert done.complete_to == {KEY: 41}
    assert lab.ledger()["lost"] == list(range(21, 41))
    assert losses(lab) == [(21, 40, "below_low")]


def test_a_node_declares_only_its_own_losses(lab: Lab, wire: Wire) -> None:
    lab.add_node("lamp-02")
    lab.store(wire.lights(1, 4, node="lamp-02"))
    lab.store(overflow(wire, 1, 2, 3))
    assert lab.rows("SELECT node_id FROM ledger WHERE lost <> '{}'") == [(NODE,)]
