"""The loop over a receiver that tests hold in their hands, and the real database."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from contract import topics
from contract.messages import Ack, decode_ack
from contract.streams import Stream
from server.ingest import store as store_module
from server.ingest import writer as writer_module
from server.ingest.connection import open_connection
from server.ingest.inbound import Message, Part
from server.ingest.limits import Limits
from server.ingest.metrics import Metrics
from server.ingest.writer import Writer
from tests.server.ingest.testlab import NODE, SPOOL, Lab, Wire, parts_of

pytestmark = pytest.mark.db

LIMITS = Limits(batch_rows=1000, batch_messages=100, linger_s=0.01, dead_letter_max_rows=100)


@dataclass
class HandReceiver:
    """Messages put in by the test; what was acknowledged and published comes out."""

    epoch: int = 1
    queue: deque[Message] = field(default_factory=deque)
    acked: list[int] = field(default_factory=list)
    published: list[tuple[str, Ack]] = field(default_factory=list)

    def take(self, timeout_s: float) -> Message | None:
        if self.queue:
            return self.queue.popleft()
        threading.Event().wait(max(0.0, min(timeout_s, 0.01)))
        return None

    def acknowledge(self, messages: Iterable[Message]) -> None:
        self.acked += [message.mid for message in messages if self.is_current(message)]

    def is_current(self, message: Message) -> bool:
        return message.epoch == self.epoch

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, decode_ack(payload)))

    def waiting(self) -> int:
        return len(self.queue)

    @property
    def last_ack(self) -> int | None:
        return self.published[-1][1].seq if self.published else None


@contextmanager
def running(
    lab: Lab,
    receiver: HandReceiver,
    limits: Limits = LIMITS,
    connect: Callable[[], psycopg.Connection] | None = None,
) -> Iterator[Metrics]:
    metrics, stop = Metrics(), threading.Event()
    writer = Writer(receiver, connect or (lambda: open_connection(lab.dsn)), limits, metrics, stop)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield metrics
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def eventually(true: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.01)


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_puback_and_end_to_end_ack_follow_the_commit(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    first, second = wire.lights(1, 2), wire.lights(3)
    receiver.queue.extend([first, second])
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 3)

    assert receiver.acked == [first.mid, second.mid]
    topic, ack = receiver.published[-1]
    assert (topic, ack.spool) == (topics.ack(NODE, Stream.LIGHT), SPOOL)
    assert counted(metrics, "msl_ingest_records_total", stream="light", outcome="stored") == 3


def test_an_all_duplicate_batch_is_acknowledged_again(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    with running(lab, receiver):
        receiver.queue.append(wire.lights(1, 2))
        eventually(lambda: len(receiver.published) == 1)
        receiver.queue.append(wire.lights(1, 2))
        eventually(lambda: len(receiver.published) == 2)
    assert [ack.seq for _, ack in receiver.published] == [2, 2]
    assert len(receiver.acked) == 2


def test_nothing_is_acknowledged_while_the_database_is_away(lab: Lab, wire: Wire) -> None:
    receiver, away = HandReceiver(), threading.Event()
    away.set()

    def connect() -> psycopg.Connection:
        if away.is_set():
            raise psycopg.OperationalError("connection refused")
        return open_connection(lab.dsn)

    receiver.queue.append(wire.lights(1))
    with running(lab, receiver, connect=connect) as metrics:
        eventually(lambda: counted(metrics, "msl_ingest_store_failures_total") >= 2)
        assert (receiver.acked, receiver.published) == ([], [])
        away.clear()
        eventually(lambda: receiver.last_ack == 1)
    assert lab.seqs() == [1]


def test_a_cut_connection_costs_a_retry_and_nothing_else(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    with running(lab, receiver):
        for seq in range(1, 21):
            receiver.queue.append(wire.lights(seq))
            if seq % 5 == 0:
                lab.admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'msl ingest' AND pid <> %s",
                    (lab.conn.info.backend_pid,),
                )
            time.sleep(0.02)
        eventually(lambda: receiver.last_ack == 20)
    assert lab.seqs() == list(range(1, 21))
    assert len(receiver.acked) == 20


def test_a_commit_whose_answer_was_lost_is_repeated_without_harm(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, lost = HandReceiver(), iter([True])

    def store(*args: object, **kwargs: object) -> object:
        done = store_module.store(*args, **kwargs)  # type: ignore[arg-type]
        if next(lost, False):
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return done

    monkeypatch.setattr(writer_module, "store", store)
    receiver.queue.append(wire.lights(1, 2))
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 2)

    assert lab.seqs() == [1, 2]
    assert counted(metrics, "msl_ingest_records_total", stream="light", outcome="duplicate") == 2


def test_a_value_that_the_database_refuses_is_bisected_out(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    messages = [wire.lights(*range(seq, seq + 5)) for seq in range(1, 41, 5)]
    receiver.queue.extend(messages)
    with lab.refusing("seq <> 23"), running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 40)

    assert lab.ledger() == {"stored": [s for s in range(1, 41) if s != 23], "rejected": [23]}
    assert sorted(receiver.acked) == [message.mid for message in messages]
    (row,) = lab.rows("SELECT first_seq, reason FROM dead_letter")
    assert row[0] == 23
    assert "database refused it: CheckViolation" in row[1]
    assert counted(metrics, "msl_ingest_bisections_total") >= 4


def test_a_message_is_acknowledged_only_when_all_its_pieces_are_in(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    receiver.queue.append(wire.lights(1, 2, 3, 4))
    with lab.refusing("seq <> 3"), running(lab, receiver):
        eventually(lambda: receiver.last_ack == 4)
    assert receiver.acked == [1]
    # The pieces were answered as they went in; never past what was missing.
    assert [ack.seq for _, ack in receiver.published] == sorted(
        ack.seq for _, ack in receiver.published
    )


def test_a_full_dead_letter_parks_the_poison_and_lets_the_others_go(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer_module, "PARKED_RETRY_S", 0.1)
    receiver = HandReceiver()
    poison, more = wire.raw(b"{1"), wire.raw(b"{2")
    receiver.queue.extend([wire.lights(1), poison, more, wire.lights(2)])
    with running(lab, receiver, replace(LIMITS, dead_letter_max_rows=1)) as metrics:
        eventually(lambda: receiver.last_ack == 2)
        eventually(lambda: counted(metrics, "msl_ingest_parked_messages") == 1)
        # One fitted; the other waits, unacknowledged, and is said so.
        assert poison.mid in receiver.acked
        assert more.mid not in receiver.acked
        assert "dead letter holds 1 of 1 payloads" in caplog.text

        lab.admin.execute("DELETE FROM dead_letter")
        eventually(lambda: more.mid in receiver.acked)
        eventually(lambda: counted(metrics, "msl_ingest_parked_messages") == 0)
    assert [bytes(p) for (p,) in lab.rows("SELECT payload FROM dead_letter")] == [b"{2"]


def test_parked_messages_of_an_old_connection_are_left_to_be_sent_again(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PARKED_RETRY_S", 0.05)
    receiver = HandReceiver()
    lab.store(wire.raw(b"{0"))
    receiver.queue.append(wire.raw(b"{1"))
    with running(lab, receiver, replace(LIMITS, dead_letter_max_rows=1)) as metrics:
        eventually(lambda: counted(metrics, "msl_ingest_parked_messages") == 1)
        receiver.epoch = 2
        eventually(lambda: counted(metrics, "msl_ingest_parked_messages") == 0)
    assert receiver.acked == []


def test_an_unknown_node_gets_a_puback_and_no_end_to_end_ack(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    stranger = wire.lights(1, node="stranger")
    receiver.queue.extend([stranger, wire.lights(1)])
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 1)
    assert stranger.mid in receiver.acked
    assert [topic for topic, _ in receiver.published] == [topics.ack(NODE, Stream.LIGHT)]
    assert counted(metrics, "msl_ingest_unknown_node_messages_total") == 1


def test_a_message_on_no_topic_of_ours_is_dropped_and_counted(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    foreign = wire.lights(1)
    foreign.topic = "msl/v1/srv-api/up/light"
    receiver.queue.append(foreign)
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.acked == [foreign.mid])
    assert counted(metrics, "msl_ingest_messages_total", kind="foreign") == 1


def test_a_missing_right_is_no_fault_of_the_data(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    lab.admin.execute("REVOKE INSERT ON light_raw FROM msl_ingest")
    receiver.queue.append(wire.lights(1))
    try:
        with running(lab, receiver) as metrics:
            eventually(lambda: counted(metrics, "msl_ingest_store_failures_total") >= 1)
            assert receiver.acked == []
            lab.admin.execute("GRANT INSERT ON light_raw TO msl_ingest")
            eventually(lambda: receiver.last_ack == 1)
    finally:
        lab.admin.execute("GRANT INSERT ON light_raw TO msl_ingest")
    assert lab.one("SELECT count(*) FROM dead_letter") == 0


def test_stopping_while_the_database_is_away_acknowledges_nothing(lab: Lab, wire: Wire) -> None:
    def refuse() -> psycopg.Connection:
        raise psycopg.OperationalError("connection refused")

    receiver = HandReceiver()
    receiver.queue.append(wire.lights(1))
    with running(lab, receiver, connect=refuse) as metrics:
        eventually(lambda: counted(metrics, "msl_ingest_store_failures_total") >= 1)
    assert receiver.acked == []


def test_a_record_that_becomes_a_letter_keeps_its_json(lab: Lab, wire: Wire) -> None:
    receiver = HandReceiver()
    receiver.queue.append(wire.lights(7))
    with lab.refusing("seq <> 7"), running(lab, receiver):
        eventually(lambda: bool(receiver.acked))
    payload = json.loads(lab.one("SELECT payload FROM dead_letter"))
    assert (payload["seq"], payload["lux_p50"]) == (7, 5.0)


def test_two_parked_pieces_of_a_message_are_acknowledged_once_and_together(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PARKED_RETRY_S", 0.0)
    receiver = HandReceiver()
    parts = parts_of(wire.lights(4, 5))
    halves = list(parts[0].halves())  # type: ignore[attr-defined]
    writer = Writer(
        receiver, lambda: open_connection(lab.dsn), LIMITS, Metrics(), threading.Event()
    )
    for half in halves:
        writer._park(half, ValueError("no room"))
    writer._retry_parked()
    writer._disconnect()
    assert receiver.acked.count(halves[0].message.mid) == 1


def test_an_exception_that_nobody_foresaw_costs_one_message_and_not_the_loop(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    odd = wire.lights(1, spool="bbbbbbbb")

    def store(conn: psycopg.Connection, parts: list[Part], **how: Any) -> object:
        if any(part.message is odd for part in parts):
            raise KeyError("spool")
        return store_module.store(conn, parts, **how)

    monkeypatch.setattr(writer_module, "store", store)
    receiver = HandReceiver()
    receiver.queue.extend([wire.lights(1), odd, wire.lights(2)])
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 2)
        eventually(lambda: counted(metrics, "msl_ingest_refused_messages_total") == 1)
    assert {ack.spool for _, ack in receiver.published} == {SPOOL}
    assert "KeyError" in caplog.text
