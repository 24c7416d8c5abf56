"""The spool against a model, over any order of making, flushing, sending, acks, kills, overflow."""

import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contract.streams import Stream
from edge.simulate.records import RecordSource
from edge.spool import Spool
from tests.edge.conftest import BOOT, SetClock

LIGHT = Stream.LIGHT
# About 40 light records.
LIMIT_BYTES = 15_000


class SpoolMachine(RuleBasedStateMachine):
    """Holds the spool to the promise: committed = held + acknowledged + declared lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = SetClock()
        self.source = RecordSource(flags=())
        self.spool = self.open()
        self.made = 0  # records appended since the last commit
        self.committed = 0  # highest seq ever committed
        self.acked = 0
        self.sent = 0
        # Every body ever seen under its seq: a seq must never name a second record.
        self.bodies: dict[int, bytes] = {}

    def open(self) -> Spool:
        return Spool(
            self.folder / "spool.db",
            limit_bytes=LIMIT_BYTES,
            clock=self.clock,
            boot=BOOT,
            rev="0.1.0",
        )

    @rule(n=st.integers(1, 20))
    def make(self, n: int) -> None:
        for _ in range(n):
            self.clock.sleep(60)
            self.spool.append(LIGHT, self.source.record(LIGHT, int(self.clock.utc_s() * 1000)))
        self.made += n

    @rule()
    def flush(self) -> None:
        self.spool.flush()
        self.committed += self.made
        self.made = 0

    @rule(through=st.integers(0, 200))
    def send(self, through: int) -> None:
        last = min(through, self.committed)
        self.spool.sent(LIGHT, last)
        self.sent = max(self.sent, last)

    @rule(seq=st.integers(0, 220), ours=st.booleans())
    def ack(self, seq: int, ours: bool) -> None:
        self.spool.ack(self.spool.id if ours else "aaaaaaaa", LIGHT, seq)
        if ours and seq <= self.committed:
            self.acked = max(self.acked, min(seq, self.sent))

    @precondition(lambda self: self.made or self.acked)
    @rule()
    def kill_and_start(self) -> None:
        """What was not committed never was; an ack that was not yet acted on comes again."""
        self.spool.close()
        self.spool = self.open()
        self.made = 0
        self.acked = self.spool.low(LIGHT) - 1
        row = self.spool._connection.execute(
            "SELECT sent_seq FROM stream WHERE stream = 'light'"
        ).fetchone()
        self.sent = row[0]

    @invariant()
    def held_is_an_unbroken_line_up_to_the_last_commit(self) -> None:
        low = self.spool.low(LIGHT)
        seqs: list[int] = []
        while piece := self.spool.read(
            LIGHT, seqs[-1] if seqs else 0, max_records=1000, max_bytes=10**6
        ):
            assert piece.low == low
            for seq, blob in enumerate(piece.blobs, piece.first):
                assert json.loads(blob)["seq"] == seq
                assert self.bodies.setdefault(seq, blob) == blob
                seqs.append(seq)
        assert seqs == list(range(low, self.committed + 1))
        assert self.spool.next_seq(LIGHT) == self.committed + 1

    @invariant()
    def nothing_goes_but_by_ack_or_overflow(self) -> None:
        dropped = self.spool._connection.execute(
            "SELECT max(json_extract(body, '$.body.last')) FROM record WHERE stream = 'event'"
            " AND json_extract(body, '$.body.stream') = 'light'"
        ).fetchone()[0]
        assert self.spool.low(LIGHT) - 1 <= max(self.acked, dropped or 0)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


SpoolMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSpoolAgainstItsModel = SpoolMachine.TestCase
