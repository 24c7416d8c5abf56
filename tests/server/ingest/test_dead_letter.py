"""What can't be stored: kept whole, once, accounted for, and never beyond the bound."""

import json

import pytest

from contract import topics
from contract.batch import BatchRange
from contract.streams import Stream
from server.ingest.dead_letter import DeadLetterFull
from server.ingest.inbound import Message
from tests.server.ingest.testlab import BOOT, KEY, NODE, SPOOL, Lab, Wire

pytestmark = pytest.mark.db


def with_bad(message: Message, *indexes: int, mark: str = "bright") -> Message:
    batch = json.loads(message.payload)
    for index in indexes:
        batch["records"][index]["lux_p50"] = mark
    message.payload = json.dumps(batch).encode()
    return message


def test_a_bad_record_is_rejected_and_its_neighbours_are_stored(lab: Lab, wire: Wire) -> None:
    done = lab.store(with_bad(wire.lights(1, 2, 3), 1))

    assert lab.ledger() == {"stored": [1, 3], "rejected": [2]}
    assert done.complete_to == {KEY: 3}
    (row,) = lab.rows(
        "SELECT topic, spool, stream, boot, rev, first_seq, last_seq FROM dead_letter"
    )
    assert row == (topics.up(NODE, Stream.LIGHT), SPOOL, "light", BOOT, "0.1.0", 2, 2)
    payload = json.loads(lab.one("SELECT payload FROM dead_letter"))
    assert payload["lux_p50"] == "bright"


def test_an_unreadable_batch_counts_as_rejected_by_its_range(lab: Lab, wire: Wire) -> None:
    properties = BatchRange(SPOOL, 3, 5, 2).as_user_properties()
    lab.store(wire.lights(1, 4))

    done = lab.store(wire.raw(b"\0\1 not json", properties=properties))

    # 4 is in, whatever the unreadable batch may have held.
    assert lab.ledger() == {"stored": [1, 4], "rejected": [3, 5]}
    assert done.complete_to == {KEY: 1}
    assert bytes(lab.one("SELECT payload FROM dead_letter")) == b"\0\1 not json"


def test_an_unreadable_batch_without_a_range_is_kept_and_not_answered(lab: Lab, wire: Wire) -> None:
    done = lab.store(wire.raw(b"{"))

    assert done.complete_to == {}
    assert lab.rows("SELECT node_id, stream, first_seq FROM dead_letter") == [(NODE, "light", None)]
    assert lab.rows("SELECT * FROM ledger") == []


def test_an_unreadable_status_is_kept_too(lab: Lab, wire: Wire) -> None:
    lab.store(wire.raw(b"{}", topics.STATUS))
    assert lab.rows("SELECT node_id, stream FROM dead_letter") == [(NODE, None)]


def test_a_poison_batch_sent_for_ever_is_one_row(lab: Lab, wire: Wire) -> None:
    for _ in range(3):
        lab.store(wire.raw(b"{"), wire.raw(b"{"))
    assert lab.rows("SELECT count FROM dead_letter") == [(6,)]


def test_the_same_poison_in_a_new_spool_is_another_row(lab: Lab, wire: Wire) -> None:
    lab.store(with_bad(wire.lights(1), 0))
    lab.store(with_bad(wire.lights(1, spool="bbbbbbbb"), 0))
    assert lab.one("SELECT count(*) FROM dead_letter") == 2
    assert lab.ledger(spool="bbbbbbbb") == {"rejected": [1]}


def test_a_rejected_seq_that_arrives_well_is_stored(lab: Lab, wire: Wire) -> None:
    lab.store(with_bad(wire.lights(1), 0))
    lab.store(wire.lights(1))
    assert lab.ledger() == {"stored": [1]}


def test_a_full_dead_letter_takes_nothing_new_and_forgets_nothing(lab: Lab, wire: Wire) -> None:
    lab.store(wire.raw(b"{1"), wire.raw(b"{2"), dead_letter_max_rows=2)

    with pytest.raises(DeadLetterFull, match=r"holds 2 of 2 payloads; .* replay or purge"):
        lab.store(wire.lights(1), wire.raw(b"{3"), dead_letter_max_rows=2)

    assert lab.seqs() == []
    assert lab.one("SELECT count(*) FROM dead_letter") == 2


def test_what_a_full_dead_letter_already_has_is_still_counted(lab: Lab, wire: Wire) -> None:
    lab.store(wire.raw(b"{1"), dead_letter_max_rows=1)
    lab.store(wire.raw(b"{1"), wire.lights(1), dead_letter_max_rows=1)
    assert lab.rows("SELECT count FROM dead_letter") == [(2,)]
    assert lab.seqs() == [1]
