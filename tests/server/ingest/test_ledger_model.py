"""The ledger against a model made of plain sets, over any order of batches."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.batch import BatchRange
from contract.events import SpoolOverflow
from contract.flags import Flag
from contract.ids import new_spool_id
from contract.records import LightRecord
from contract.streams import Stream
from server.ingest import ledger
from server.ingest.inbound import LedgerKey, Message
from tests.server.ingest.testlab import NODE, Lab, Wire

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def any_number_of_spools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example is a spool of its own, on one node."""
    monkeypatch.setattr(ledger, "MAX_SPOOLS_PER_NODE", 1_000_000)


SEQ = st.integers(1, 30)


@dataclass
class Model:
    """What the four sets should be, by the rules of decision 0002."""

    spool: str
    wire: Wire
    stored: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    low: int = 1
    events_n: int = 0

    def records(self, seqs: list[int], unsynced: bool, low: int) -> Message:
        low = min([low, *seqs])
        for seq in seqs:
            if seq not in self.stored | self.held:
                (self.held if unsynced else self.stored).add(seq)
        self._fall(low)
        flags = [Flag.CLOCK_UNSYNCED] if unsynced else []
        records: list[LightRecord] = [self.wire.light(seq, flags=flags) for seq in seqs]
        return self.wire.message(records, spool=self.spool, low=low)

    def unreadable(self, first: int, width: int) -> Message:
        last = first + width
        self.rejected |= set(range(first, last + 1))
        self._settle()
        properties = BatchRange(self.spool, first, last, 1).as_user_properties()
        return self.wire.raw(b"{", properties=properties)

    def overflow(self, first: int, width: int) -> Message:
        last = first + width
        self.lost |= set(range(first, last + 1))
        self._settle()
        self.events_n += 1
        body = SpoolOverflow(stream=Stream.LIGHT, spool=self.spool, first=first, last=last)
        event = self.wire.event(self.events_n, body)
        return self.wire.message([event], stream=Stream.EVENT, spool=self.spool)

    def _fall(self, low: int) -> None:
        if low > self.low:
            self.low = low
            self.lost |= set(range(1, low))
        self._settle()

    def _settle(self) -> None:
        self.rejected -= self.stored | self.held
        self.lost -= self.stored | self.held | self.rejected

    @property
    def complete_to(self) -> int:
        seq = 0
        while seq + 1 in self.stored | self.held | self.rejected | self.lost:
            seq += 1
        return seq

    def sets(self) -> dict[str, list[int]]:
        names = ("stored", "rejected", "held", "lost")
        return {name: sorted(getattr(self, name)) for name in names if getattr(self, name)}


Step = Callable[[Model], Message]


def steps() -> st.SearchStrategy[Step]:
    records = st.tuples(st.lists(SEQ, min_size=1, max_size=6), st.booleans(), SEQ)
    ranges = st.tuples(SEQ, st.integers(0, 5))
    return st.one_of(
        records.map(lambda args: lambda model: model.records(*args)),
        ranges.map(lambda args: lambda model: model.unreadable(*args)),
        ranges.map(lambda args: lambda model: model.overflow(*args)),
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps(), min_size=1, max_size=8))
def test_the_ledger_is_what_sets_say(lab: Lab, wire: Wire, script: list[Step]) -> None:
    model = Model(new_spool_id(), wire)
    light = LedgerKey(NODE, model.spool, Stream.LIGHT)
    for step in script:
        done = lab.store(step(model))
        assert done.complete_to[light] == model.complete_to
        assert lab.ledger(spool=model.spool) == model.sets()
    assert lab.seqs(spool=model.spool) == sorted(model.stored)
    assert lab.seqs("held_light", spool=model.spool) == sorted(model.held)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.lists(SEQ, min_size=1, max_size=6), min_size=2, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_how_messages_fall_into_transactions_makes_no_difference(
    lab: Lab, wire: Wire, batches: list[list[int]], ends: list[bool]
) -> None:
    one_by_one, together = new_spool_id(), new_spool_id()
    for seqs in batches:
        lab.store(wire.lights(*seqs, spool=one_by_one))
    group: list[Message] = []
    for seqs, end in zip(batches, ends, strict=False):
        group.append(wire.lights(*seqs, spool=together))
        if end:
            lab.store(*group)
            group = []
    if group:
        lab.store(*group)

    assert lab.ledger(spool=together) == lab.ledger(spool=one_by_one)
    assert lab.seqs(spool=together) == lab.seqs(spool=one_by_one)
