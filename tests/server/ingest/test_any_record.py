"""Whatever the contract allows fits the tables."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.events import SpoolOverflow
from contract.ids import new_spool_id
from contract.limits import MAX_SEQ
from contract.records import Record
from contract.streams import Stream
from server.ingest.inbound import LedgerKey
from tests import strategies
from tests.server.ingest.testlab import KEY, NODE, SPOOL, Lab, Wire

pytestmark = pytest.mark.db


def distinct(records: list[Record]) -> list[Record]:
    return list({record.seq: record for record in records}.values())


@pytest.mark.parametrize("stream", list(Stream))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_valid_record_is_stored_or_held(
    lab: Lab, wire: Wire, stream: Stream, data: Any
) -> None:
    drawn = st.lists(strategies.records(stream), min_size=1, max_size=5).map(distinct)
    records, spool = data.draw(drawn), new_spool_id()
    # Each example brings spools of its own, and events name more: a node may only have so many.
    lab.admin.execute("DELETE FROM loss")
    lab.admin.execute("DELETE FROM ledger")

    done = lab.store(wire.message(records, stream=stream, spool=spool))

    found = sorted(lab.seqs(f"{stream}_raw", spool) + lab.seqs(f"held_{stream}", spool))
    assert found == sorted(record.seq for record in records)
    assert LedgerKey(NODE, spool, stream) in done.complete_to
    assert done.records[stream.value, "rejected"] == 0


def test_the_largest_seq_is_a_seq_like_any_other(lab: Lab, wire: Wire) -> None:
    done = lab.store(wire.message([wire.light(MAX_SEQ, t=wire.t(1))], low=MAX_SEQ))
    assert done.complete_to == {KEY: MAX_SEQ}
    assert lab.seqs() == [MAX_SEQ]


def test_a_loss_of_everything_can_be_declared(lab: Lab, wire: Wire) -> None:
    body = SpoolOverflow(stream=Stream.LIGHT, spool=SPOOL, first=1, last=MAX_SEQ)
    done = lab.store(wire.message([wire.event(1, body)], stream=Stream.EVENT))
    assert done.complete_to[KEY] == MAX_SEQ
    # And is taken back by what arrives all the same.
    lab.store(wire.lights(5))
    assert lab.one("SELECT stored FROM ledger WHERE stream = 'light'")[0].lower == 5
