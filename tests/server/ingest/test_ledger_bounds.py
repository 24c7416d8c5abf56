"""One node can make its own ledger full, and nobody else's ingest slow."""

import psycopg
import pytest

from contract.events import SpoolOverflow
from contract.streams import Stream
from server.ingest import ledger
from server.ingest import store as store_module
from server.ingest import writer as writer_module
from server.ingest.ledger import LedgerFull
from tests.server.ingest.test_writer import HandReceiver, counted, eventually, running
from tests.server.ingest.testlab import NODE, SPOOL, Lab, Wire

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_RANGES", 4)
    monkeypatch.setattr(ledger, "MAX_SPOOLS_PER_NODE", 2)


def test_a_line_in_too_many_pieces_takes_nothing_more_in(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1, 3, 5))
    with pytest.raises(LedgerFull, match="ledger of lamp-01 is full: more than 4 ranges"):
        lab.store(wire.lights(7, 9))
    assert lab.seqs() == [1, 3, 5]
    assert lab.ledger() == {"stored": [1, 3, 5]}


def test_a_line_at_its_bound_still_heals_and_goes_on(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.store(wire.lights(1, 3, 5, 7))
    monkeypatch.setattr(ledger, "MAX_RANGES", 2)
    assert list(lab.store(wire.lights(8)).complete_to.values()) == [1]
    assert list(lab.store(wire.lights(2, 4, 6)).complete_to.values()) == [8]


def test_holes_that_a_claim_makes_count_too(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.store(wire.lights(2, 4, 6))
    monkeypatch.setattr(ledger, "MAX_RANGES", 3)
    body = SpoolOverflow(spool=SPOOL, stream=Stream.LIGHT, first=1, last=9)
    with pytest.raises(LedgerFull):
        lab.store(wire.message([wire.event(1, body)], stream=Stream.EVENT))
    assert lab.rows("SELECT * FROM loss") == []


def test_reasons_of_losses_are_bounded_and_the_losses_are_not(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_LOSS_ROWS", 1)
    lab.store(wire.lights(2, 4, 6, low=1))
    lab.store(wire.lights(6, low=6))
    assert lab.ledger()["lost"] == [1, 3, 5]
    assert lab.one("SELECT count(*) FROM loss") == 1


def test_a_node_with_a_new_spool_every_day_is_stopped(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1), wire.lights(1, spool="bbbbbbbb"))
    with pytest.raises(LedgerFull, match="more than 2 spools"):
        lab.store(wire.lights(1, spool="cccccccc"))
    named = SpoolOverflow(spool="dddddddd", stream=Stream.LIGHT, first=1, last=9)
    with pytest.raises(LedgerFull, match="more than 2 spools"):
        lab.store(wire.message([wire.event(1, named)], stream=Stream.EVENT))
    lab.store(wire.lights(2))
    assert lab.seqs() == [1, 2]
    assert lab.one("SELECT count(DISTINCT spool) FROM ledger") == 2


def test_a_full_ledger_leaves_its_node_its_records_and_lets_the_others_go(
    lab: Lab, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    lab.add_node("lamp-02")
    receiver = HandReceiver()
    odd = wire.lights(1, 3, 5, 7, 9, 11)
    receiver.queue.extend([odd, wire.lights(1, 2, node="lamp-02")])
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 2)
        eventually(lambda: counted(metrics, "msl_ingest_refused_messages_total") == 1)
        eventually(lambda: bool(lab.rows("SELECT * FROM refused_node")))
    assert {topic for topic, _ in receiver.published} == {"msl/v1/lamp-02/down/ack/light"}
    assert receiver.acked.count(odd.mid) == 1  # off the broker, not out of the spool
    assert lab.one("SELECT count(*) FROM light_raw WHERE node_id = %s", NODE) == 0
    ((node, reason),) = lab.rows("SELECT node_id, reason FROM refused_node")
    assert (node, "is full" in reason) == (NODE, True)
    assert "a message of lamp-01 is left to its spool" in caplog.text


def test_what_takes_too_long_time_and_again_is_cut_out(
    lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BACKOFF_FIRST_S", 0.01)
    lab.add_node("lamp-02")

    def store(conn: psycopg.Connection, parts: object, **limits: int) -> object:
        if any(part.node_id == NODE for part in parts):  # type: ignore[attr-defined]
            conn.execute("SET statement_timeout = '20ms'")
            conn.execute("SELECT pg_sleep(5)")
        return store_module.store(conn, parts, **limits)  # type: ignore[arg-type]

    monkeypatch.setattr(writer_module, "store", store)
    receiver = HandReceiver()
    slow = wire.lights(1)
    receiver.queue.extend([slow, *(wire.lights(seq, node="lamp-02") for seq in (1, 2, 3))])
    with running(lab, receiver) as metrics:
        eventually(lambda: receiver.last_ack == 3)
        eventually(lambda: receiver.acked.count(slow.mid) == 1)
    assert counted(metrics, "msl_ingest_refused_messages_total") == 1
    assert {topic for topic, _ in receiver.published} == {"msl/v1/lamp-02/down/ack/light"}
