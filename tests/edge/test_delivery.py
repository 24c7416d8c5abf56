"""Delivery of one stream, with time set by hand and no broker."""

import itertools
import random
from collections.abc import Callable

import pytest

from contract.streams import Stream
from edge.delivery import BLAMES_TO_QUARANTINE, WINDOW, Delivery
from edge.simulate.records import RecordSource
from edge.spool import Spool
from edge.spool_answers import AckEffect, Slice
from tests.edge.conftest import NOON_S

LIGHT = Stream.LIGHT
ACK_TIMEOUT_S = 10.0
QUARANTINE_AFTER_S = 300.0


class Bench:
    """One delivery over a spool with records; numbers packets as a link would."""

    def __init__(self, spool: Spool, source: RecordSource) -> None:
        self.spool = spool
        self.source = source
        self.delivery = Delivery(
            LIGHT,
            spool,
            ack_timeout_s=ACK_TIMEOUT_S,
            backoff_max_s=100,
            quarantine_after_s=QUARANTINE_AFTER_S,
            rng=random.Random(1),
        )
        self.now_s = 100.0
        self.mid = 0

    def make(self, n: int) -> None:
        for _ in range(n):
            self.spool.append(LIGHT, self.source.record(LIGHT, int(NOON_S * 1000)))
        self.spool.flush()

    def publish(self, max_bytes: int = 60_000) -> list[tuple[int, int]]:
        """Publish all that may go now; the ranges published."""
        ranges = []
        while batch := self.delivery.next_batch(self.now_s, max_bytes):
            self.mid += 1
            self.delivery.published(batch, self.mid, self.now_s)
            ranges.append((batch.first, batch.last))
        return ranges

    def ack(self, seq: int) -> AckEffect:
        self.now_s += 0.1
        return self.delivery.acknowledged(self.spool.id, seq, self.now_s)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.delivery.check(self.now_s)

    def live_server(self, poison: set[int], rounds: int = 400) -> set[int]:
        """Publish to a server that ignores batches with a poison record; what it stored."""
        stored: set[int] = set()
        for _ in range(rounds):
            for first, last in self.publish():
                if not poison & set(range(first, last + 1)):
                    stored |= set(range(first, last + 1))
                    self.ack(complete_to(stored | self.quarantined()))
            self.wait(ACK_TIMEOUT_S * 1.3)
        return stored

    def quarantined(self) -> set[int]:
        rows = self.spool._connection.execute("SELECT seq FROM quarantine WHERE stream = 'light'")
        return {seq for (seq,) in rows}


def complete_to(stored: set[int]) -> int:
    seq = 0
    while seq + 1 in stored:
        seq += 1
    return seq


@pytest.fixture
def bench(open_spool: Callable[..., Spool], source: RecordSource) -> Bench:
    return Bench(open_spool(), source)


def test_backlog_goes_in_full_batches_within_the_window(bench: Bench) -> None:
    bench.make(2000)
    ranges = bench.publish(max_bytes=20_000)
    assert len(ranges) == WINDOW
    assert ranges[0][1] > 50
    assert all(b[0] == a[1] + 1 for a, b in itertools.pairwise(ranges))
    assert bench.ack(ranges[0][1]) is AckEffect.MOVED
    assert bench.publish(max_bytes=20_000)[0][0] == ranges[-1][1] + 1


def test_lone_live_record_goes_at_once(bench: Bench) -> None:
    bench.make(1)
    assert bench.publish() == [(1, 1)]
    bench.make(1)
    assert bench.publish() == [(2, 2)]


def test_silence_resends_from_the_watermark_with_growing_waits(bench: Bench) -> None:
    bench.make(3)
    assert bench.publish() == [(1, 3)]
    bench.ack(2)
    bench.wait(ACK_TIMEOUT_S * 1.3)
    assert bench.publish() == [(3, 3)]
    bench.wait(ACK_TIMEOUT_S * 1.3)
    assert bench.publish() == []  # the second wait is twice as long
    bench.wait(ACK_TIMEOUT_S * 1.3)
    assert bench.publish() == [(3, 3)]


def test_waits_never_exceed_their_limit(bench: Bench) -> None:
    bench.make(1)
    bench.publish()
    for _ in range(30):
        bench.wait(100 * 1.21)
        assert bench.publish() == [(1, 1)]


def test_puback_without_subscriber_is_not_delivered(bench: Bench) -> None:
    bench.make(2)
    bench.publish()
    bench.delivery.refused(bench.mid, bench.now_s)
    assert bench.publish() == []
    bench.wait(ACK_TIMEOUT_S)
    assert bench.publish() == [(1, 2)]


def test_lost_connection_resends_at_once(bench: Bench) -> None:
    bench.make(2)
    bench.publish()
    bench.delivery.connection_lost()
    assert bench.publish() == [(1, 2)]


@pytest.mark.parametrize("poison", [{1}, {50}, {100}, {17, 18, 90}], ids=str)
def test_poison_is_found_by_halving_and_only_it_is_set_aside(
    bench: Bench, poison: set[int]
) -> None:
    bench.make(100)
    bench.publish()
    bench.make(3)  # later records, which the server acknowledges, are the evidence
    stored = bench.live_server(poison)
    assert bench.quarantined() == poison
    assert stored == set(range(1, 104)) - poison


def test_lone_poison_waits_for_evidence(bench: Bench) -> None:
    bench.make(1)
    assert bench.live_server({1}, rounds=20) == set()
    assert bench.quarantined() == set()
    bench.make(1)
    assert bench.live_server({1}) == {2}
    assert bench.quarantined() == {1}


def test_nothing_is_set_aside_before_its_time(bench: Bench) -> None:
    bench.make(1)
    bench.publish()
    bench.make(1)
    began_s = bench.now_s
    while not bench.quarantined():
        bench.live_server({1}, rounds=1)
    assert bench.now_s - began_s >= QUARANTINE_AFTER_S


def test_blame_does_not_outlive_the_spool(bench: Bench) -> None:
    bench.make(2)
    for _ in range(BLAMES_TO_QUARANTINE - 1):
        bench.publish(max_bytes=1)
        bench.ack(0)
        bench.wait(QUARANTINE_AFTER_S / 4)
    bench.publish(max_bytes=1)
    bench.ack(0)
    bench.spool.set_aside("test")
    bench.make(2)
    bench.wait(QUARANTINE_AFTER_S)  # enough for the old record 1, which isn't the new one
    assert bench.quarantined() == set()
    assert bench.publish() == [(1, 2)]


def test_poison_does_not_keep_later_records_in_small_batches(bench: Bench) -> None:
    bench.make(8)
    bench.publish()
    bench.make(100)
    bench.live_server({3}, rounds=36)
    bench.delivery.connection_lost()
    ranges = bench.publish()
    assert bench.quarantined() == set()
    assert ranges[0] == (3, 3)
    assert ranges[-1][1] == 108


def test_server_that_is_down_never_costs_a_record(bench: Bench) -> None:
    bench.make(500)
    for _ in range(200):
        bench.publish(max_bytes=9_000)
        bench.wait(121)
    assert bench.quarantined() == set()
    assert bench.spool.depth().records_n == 500


def test_repeated_acks_without_progress_blame_nobody_when_something_below_is_missing(
    bench: Bench,
) -> None:
    """A server behind us (restored from a backup) acknowledges less than our watermark."""
    bench.make(10)
    bench.publish()
    bench.ack(5)
    for _ in range(50):
        bench.publish()
        bench.ack(3)
        bench.wait(121)
    assert bench.quarantined() == set()


def test_nonce_rides_until_its_batch_is_acknowledged(bench: Bench) -> None:
    bench.delivery.carry("n" * 16, NOON_S + 60)
    bench.make(1)
    for _ in range(2):
        batch = bench.delivery.next_batch(bench.now_s, 60_000)
        assert isinstance(batch, Slice)
        nonce = bench.delivery.nonce(NOON_S)
        assert nonce == "n" * 16
        bench.delivery.published(batch, 1, bench.now_s, nonce)
        bench.delivery.connection_lost()
    batch = bench.delivery.next_batch(bench.now_s, 60_000)
    assert batch is not None
    bench.delivery.published(batch, 2, bench.now_s, "n" * 16)
    bench.ack(1)
    assert bench.delivery.nonce(NOON_S) is None


def test_expired_nonce_is_dropped(bench: Bench) -> None:
    bench.delivery.carry("n" * 16, NOON_S + 60)
    assert bench.delivery.nonce(NOON_S + 61) is None
