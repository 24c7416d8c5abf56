"""Two ingesters, and an ingester and the rollup worker, at the same rows at the same time."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from contract.streams import Stream
from server.ingest import ledger
from server.ingest.connection import open_connection
from server.ingest.store import Stored, store
from tests.server.ingest.testlab import KEY, NODE, Lab, Wire, parts_of

pytestmark = pytest.mark.db


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def wait_until_blocked(lab: Lab, n: int = 1) -> None:
    """Until `n` sessions wait for a lock."""
    for _ in range(500):
        waiting = lab.one(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        if waiting >= n:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for a lock")


def test_a_second_ingester_waits_and_then_sees_what_the_first_stored(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    with open_connection(lab.dsn) as other:
        with lab.conn.transaction():
            first = store(lab.conn, parts_of(wire.lights(2, 3)), dead_letter_max_rows=9)
            thread, results = in_thread(
                lambda: store(other, parts_of(wire.lights(3, 4)), dead_letter_max_rows=9)
            )
            wait_until_blocked(lab)
        thread.join(10)

    (second,) = results
    assert isinstance(second, Stored)
    assert first.complete_to == {KEY: 3}
    assert second.complete_to == {KEY: 4}
    assert second.records["light", "duplicate"] == 1
    assert lab.seqs() == [1, 2, 3, 4]


def test_what_was_stored_while_waiting_for_the_row_is_seen(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    with open_connection(lab.dsn) as other:
        with lab.conn.transaction(), lab.conn.cursor() as cur:
            ledger.lock(cur, [KEY], [[]])
            thread, results = in_thread(
                lambda: store(other, parts_of(wire.lights(2, 3)), dead_letter_max_rows=9)
            )
            wait_until_blocked(lab)
            store(lab.conn, parts_of(wire.lights(2)), dead_letter_max_rows=9)
        thread.join(10)

    (second,) = results
    assert isinstance(second, Stored)
    assert second.complete_to == {KEY: 3}
    assert second.records["light", "duplicate"] == 1
    assert lab.seqs() == [1, 2, 3]


def test_two_ingesters_may_both_be_the_first_of_a_line(lab: Lab, wire: Wire) -> None:
    with open_connection(lab.dsn) as other:
        with lab.conn.transaction():
            store(lab.conn, parts_of(wire.lights(1, 2)), dead_letter_max_rows=9)
            thread, results = in_thread(
                lambda: store(other, parts_of(wire.lights(2, 3)), dead_letter_max_rows=9)
            )
            wait_until_blocked(lab)
        thread.join(10)

    assert [r.complete_to for r in results if isinstance(r, Stored)] == [{KEY: 3}]
    assert lab.ledger() == {"stored": [1, 2, 3]}


def test_ingesters_with_keys_in_any_order_never_deadlock(lab: Lab, wire: Wire) -> None:
    nodes = [f"lamp-{n:02}" for n in range(2, 8)]
    for node in nodes:
        lab.add_node(node)

    def ingest(order: list[str]) -> None:
        with open_connection(lab.dsn) as conn:
            for seq in range(1, 16):
                messages = [wire.lights(seq, seq + 1, node=node) for node in order]
                store(conn, parts_of(*messages), dead_letter_max_rows=9)

    threads = [in_thread(lambda o=o: ingest(o))[0] for o in (nodes, nodes[::-1], nodes[2:])]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)

    rows = lab.rows("SELECT node_id, complete_to(ledger) FROM ledger ORDER BY 1")
    assert rows == [(node, 16) for node in nodes]
    assert lab.one("SELECT count(*) FROM light_raw") == 16 * len(nodes)


def test_a_mark_made_while_the_worker_clears_is_not_lost(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    with psycopg.connect(lab.admin.info.dsn, password=lab.admin.info.password) as worker:
        worker.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        seen = worker.execute("SELECT mark_id FROM rollup_mark").fetchall()
        lab.store(wire.lights(2))  # the same hour, while the worker recomputes without it
        worker.execute("DELETE FROM rollup_mark WHERE mark_id = ANY(%s)", ([i for (i,) in seen],))

    assert len(lab.rows("SELECT * FROM rollup_mark WHERE node_id = %s", NODE)) == 1


def test_a_seal_waits_for_the_ingest_that_has_read_it(lab: Lab, wire: Wire) -> None:
    seal = "UPDATE rollup_seal SET before = now() WHERE stream = 'light'"
    with psycopg.connect(
        lab.admin.info.dsn, password=lab.admin.info.password, autocommit=True
    ) as worker:
        with lab.conn.transaction():
            store(lab.conn, parts_of(wire.lights(1)), dead_letter_max_rows=9)
            thread, _ = in_thread(lambda: worker.execute(seal))
            wait_until_blocked(lab)
        thread.join(10)
    lab.store(wire.lights(2))

    assert (lab.seqs(), lab.seqs("held_light")) == ([1], [2])


def test_lines_of_other_streams_do_not_wait(lab: Lab, wire: Wire) -> None:
    with open_connection(lab.dsn) as other, lab.conn.transaction():
        store(lab.conn, parts_of(wire.lights(1)), dead_letter_max_rows=9)
        noise = wire.message([wire.noise(1)], stream=Stream.NOISE)
        done = store(other, parts_of(noise), dead_letter_max_rows=9)
    assert done.records["noise", "stored"] == 1
