"""The transaction: what stands in the tables and in the ledger afterwards."""

import datetime as dt
import json
from typing import Any

import msgspec
import psycopg
import pytest

from contract import topics
from contract.events import Tamper
from contract.flags import Flag
from contract.records import SensorState
from contract.streams import Stream
from server.ingest.announce import CHANNEL
from server.ingest.connection import open_connection
from server.ingest.inbound import LedgerKey
from tests.server.ingest.testlab import KEY, NODE, NOW_MS, SPOOL, Lab, Wire

pytestmark = pytest.mark.db


def test_a_batch_is_stored_and_complete(lab: Lab, wire: Wire) -> None:
    done = lab.store(wire.lights(1, 2, 3))

    assert lab.seqs() == [1, 2, 3]
    assert lab.ledger() == {"stored": [1, 2, 3]}
    assert done.complete_to == {KEY: 3}
    assert done.records["light", "stored"] == 3


def test_a_light_record_keeps_every_field(lab: Lab, wire: Wire) -> None:
    record = wire.light(
        1, lux_p10=0.5, lux_p90=9.5, lux_max=100.0, full_scale_lx=4.0, integration_ms=800.0,
        samples_n=59, flags=[Flag.SIMULATED, Flag.PARTIAL],
    )  # fmt: skip
    lab.store(wire.message([record]))

    (row,) = lab.rows(
        "SELECT t, dur_s, valid_s, flags, lux_p10, lux_p50, lux_p90, lux_max, full_scale_lx,"
        " integration_ms, samples_n, sensor, node_id FROM light_raw"
    )
    t = dt.datetime.fromtimestamp(wire.t(1) / 1000, dt.UTC)
    bits = (1 << 10) | 1
    assert row == (t, 60, 60, bits, 0.5, 5, 9.5, 100, 4, 800, 59, "opt3001", NODE)


def test_what_was_not_measured_is_null_and_never_zero(lab: Lab, wire: Wire) -> None:
    blind: dict[str, Any] = dict.fromkeys(("lux_p10", "lux_p50", "lux_p90", "lux_max"))
    dark = list(wire.footfall(1).lines)
    for line in dark:
        line.a_to_b = line.b_to_a = None
    lab.store(
        wire.message([wire.light(1, valid_s=0.0, **blind)]),
        wire.message(
            [wire.footfall(1, valid_s=0.0, occupancy=None, fps=None, lines=dark)],
            stream=Stream.FOOTFALL,
        ),
    )

    light = lab.rows("SELECT lux_p10, lux_p50, lux_p90, lux_max, full_scale_lx FROM light_raw")
    assert light == [(None,) * 5]
    assert lab.rows("SELECT occupancy, fps FROM footfall_raw") == [(None, None)]
    assert lab.rows("SELECT a_to_b, b_to_a FROM footfall_line_raw") == [(None, None)] * 2


def test_noise_keeps_each_records_own_histogram(lab: Lab, wire: Wire) -> None:
    lab.store(wire.message([wire.noise(seq) for seq in range(1, 6)], stream=Stream.NOISE))

    rows = lab.rows("SELECT seq, laf_class, laf_n, sens_db FROM noise_raw JOIN origin"
                    " USING (origin_id) ORDER BY seq")  # fmt: skip
    assert rows == [
        (1, [100], [1], 120),
        (2, [100, 101], [2, 2], 120),
        (3, [], [], 120),
        (4, [100], [4], 120),
        (5, [100, 101], [5, 5], 120),
    ]


def test_footfall_lines_stand_beside_their_record(lab: Lab, wire: Wire) -> None:
    lab.store(wire.message([wire.footfall(1), wire.footfall(2)], stream=Stream.FOOTFALL))

    lines = lab.rows("SELECT seq, line, a_to_b, b_to_a FROM footfall_line_raw ORDER BY 1, 2")
    assert lines == [(1, "gate", 1, 2), (1, "path", 0, 0), (2, "gate", 2, 2), (2, "path", 0, 0)]


def test_health_and_events_keep_their_structure(lab: Lab, wire: Wire) -> None:
    sensor = SensorState(sensor="light", state="unavailable", since=NOW_MS, detail="bus error")
    lab.store(
        wire.message(
            [
                wire.health(1, clock_synced=False, memory_free_bytes=0, sensors=[sensor]),
                wire.health(2, clock_synced=None, throttled_bits=0),
            ],
            stream=Stream.HEALTH,
        ),
        wire.message([wire.event(1, Tamper(open=True))], stream=Stream.EVENT),
    )

    rows = lab.rows("SELECT clock_synced, memory_free_bytes, throttled_bits, cpu_c,"
                    " sensors -> 0 ->> 'detail' FROM health_raw ORDER BY seq")  # fmt: skip
    assert rows == [(False, 0, None, None, "bus error"), (None, None, 0, None, None)]
    assert lab.rows("SELECT kind, body ->> 'open' FROM event_raw") == [("tamper", "true")]


def test_a_repeated_batch_adds_nothing_and_is_still_answered(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1, 2))
    again = lab.store(wire.lights(1, 2))

    assert lab.seqs() == [1, 2]
    assert again.complete_to == {KEY: 2}
    assert again.records["light", "duplicate"] == 2
    assert again.records["light", "stored"] == 0


def test_the_first_of_two_records_with_one_seq_wins(lab: Lab, wire: Wire) -> None:
    # In one batch, across two messages of one transaction, and in a later one.
    lab.store(
        wire.message([wire.light(1, 10.0), wire.light(1, 20.0), wire.light(2, 10.0)]),
        wire.message([wire.light(2, 20.0, t=wire.t(99)), wire.light(3, 10.0)]),
    )
    lab.store(wire.message([wire.light(3, 20.0, t=wire.t(50))]))

    assert lab.rows("SELECT seq, lux_p50 FROM light_raw ORDER BY seq") == [
        (1, 10), (2, 10), (3, 10),
    ]  # fmt: skip


def test_a_gap_stops_complete_to_until_it_is_filled(lab: Lab, wire: Wire) -> None:
    assert lab.store(wire.lights(1, 2, 5)).complete_to == {KEY: 2}
    assert lab.rows("SELECT first_seq, last_seq FROM ledger_gap") == [(3, 4)]
    assert lab.store(wire.lights(4)).complete_to == {KEY: 2}
    assert lab.store(wire.lights(3)).complete_to == {KEY: 5}
    assert lab.rows("SELECT * FROM ledger_gap") == []


def test_a_record_out_of_order_is_as_good(lab: Lab, wire: Wire) -> None:
    assert lab.store(wire.lights(3)).complete_to == {KEY: 0}
    assert lab.store(wire.lights(2), wire.lights(1)).complete_to == {KEY: 3}


def test_a_replaced_spool_is_a_line_of_its_own(lab: Lab, wire: Wire) -> None:
    new = LedgerKey(NODE, "bbbbbbbb", Stream.LIGHT)
    lab.store(wire.lights(1, 2, 3))

    assert lab.store(wire.lights(1, 2, spool="bbbbbbbb")).complete_to == {new: 2}
    assert lab.seqs(spool="bbbbbbbb") == [1, 2]
    assert lab.seqs() == [1, 2, 3]


def test_many_nodes_and_streams_share_a_transaction(lab: Lab, wire: Wire) -> None:
    lab.add_node("lamp-02")
    done = lab.store(
        wire.lights(1, 2),
        wire.lights(1, node="lamp-02"),
        wire.message([wire.noise(1)], stream=Stream.NOISE),
        wire.message([wire.noise(1)], stream=Stream.NOISE, node="lamp-02"),
    )

    assert sorted(done.complete_to.values()) == [1, 1, 1, 2]
    assert lab.one("SELECT count(*) FROM light_raw") == 3
    assert lab.one("SELECT count(*) FROM origin") == 4


def test_an_origin_is_entered_once(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    lab.store(wire.lights(2))
    lab.store(wire.lights(3, rev="0.2.0"))

    rows = lab.rows("SELECT rev, origin_id FROM light_raw JOIN origin USING (origin_id) ORDER BY 1")
    (_, first), (_, again), (_, other) = rows
    assert [rev for rev, _ in rows] == ["0.1.0", "0.1.0", "0.2.0"]
    # No number was burnt by looking: they are 32 bit, and there are many batches.
    assert (again - first, other - first) == (0, 1)


def test_an_unknown_node_is_counted_and_gets_no_answer(lab: Lab, wire: Wire) -> None:
    done = lab.store(
        wire.lights(1, node="stranger"), wire.lights(2, node="stranger"), wire.lights(1)
    )

    assert done.complete_to == {KEY: 1}
    assert done.unknown == 2
    assert lab.rows("SELECT node_id, kind, count FROM unknown_node") == [("stranger", "light", 2)]
    lab.add_node("stranger")
    done = lab.store(wire.lights(1, 2, node="stranger"))
    assert done.complete_to == {LedgerKey("stranger", SPOOL, Stream.LIGHT): 2}


def test_marks_name_each_hour_once_a_transaction(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(*range(1, 121)))

    hours = {wire.t(seq) // 3_600_000 for seq in range(1, 121)}
    marks = lab.rows("SELECT extract(epoch FROM hour)::bigint / 3600 FROM rollup_mark"
                     " WHERE (node_id, stream) = (%s, 'light')", NODE)  # fmt: skip
    assert sorted(hour for (hour,) in marks) == sorted(hours)


def test_duplicates_and_events_leave_no_mark(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1))
    marks_n = lab.one("SELECT count(*) FROM rollup_mark")

    lab.store(wire.lights(1), wire.message([wire.event(1, Tamper(open=True))], stream=Stream.EVENT))

    assert lab.one("SELECT count(*) FROM rollup_mark") == marks_n == 1


def test_listeners_hear_of_new_rows_only(lab: Lab, wire: Wire) -> None:
    lab.admin.execute(f"LISTEN {CHANNEL}")
    lab.store(wire.lights(1), wire.message([wire.noise(1)], stream=Stream.NOISE))
    lab.store(wire.lights(1))

    heard = [json.loads(n.payload) for n in lab.admin.notifies(timeout=0.2)]
    assert heard == [{"streams": ["light", "noise"], "nodes": [NODE]}]


def test_the_ledger_learns_of_a_row_that_raw_already_has(
    lab: Lab, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    lab.store(wire.lights(1, 2))
    lab.admin.execute("DELETE FROM ledger")

    assert lab.store(wire.lights(1, 2, 3)).complete_to == {KEY: 3}
    assert lab.seqs() == [1, 2, 3]
    assert "2 light records were in raw but not in the ledger" in caplog.text


def test_a_failure_leaves_nothing_behind(lab: Lab, wire: Wire) -> None:
    with lab.refusing("seq <> 2"), pytest.raises(psycopg.errors.CheckViolation):
        lab.store(wire.lights(1), wire.lights(2))

    assert lab.seqs() == []
    assert lab.rows("SELECT * FROM ledger") == []


def test_status_is_kept_with_its_time_of_receipt(lab: Lab, wire: Wire) -> None:
    payload = {"v": 1, "state": "offline", "boot": "0" * 32, "rev": "1", "spool": SPOOL}
    lab.store(wire.raw(msgspec.json.encode(payload), topics.STATUS))

    (row,) = lab.rows("SELECT extract(epoch FROM received_at) * 1000, state FROM node_status")
    assert row == (NOW_MS, "offline")


@pytest.mark.parametrize(
    ("state", "stored_n"),
    [("created", 0), ("installed", 2), ("commissioned", 0), ("maintenance", 2), ("retired", 0)],
)
def test_walk_tests_count_only_while_somebody_works_on_the_node(
    lab: Lab, wire: Wire, state: str, stored_n: int
) -> None:
    lab.admin.execute("UPDATE node SET state = %s::node_state", (state,))
    lines = [{"line": name, "a_to_b": 1, "b_to_a": None} for name in ("gate", "path")]
    payload = msgspec.json.encode({"v": 1, "t": NOW_MS, "dur_s": 10, "lines": lines})

    lab.store(wire.raw(payload, topics.WALKTEST))
    lab.store(wire.raw(payload, topics.WALKTEST))

    assert lab.one("SELECT count(*) FROM walk_test") == stored_n


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dur_s": 9}, "dur_s is 9.0"),
        ({"dur_s": 901}, "dur_s is 901.0"),
        ({"t": NOW_MS - 1_501_000}, "1501 s before its receipt"),
        ({"t": NOW_MS + 601_000}, "-601 s before its receipt"),
    ],
    ids=["too fine", "too long", "old", "ahead"],
)
def test_a_walk_test_beyond_its_limits_is_refused_and_its_counts_not_kept(
    lab: Lab, wire: Wire, changed: dict[str, int], reason: str
) -> None:
    lab.admin.execute("UPDATE node SET state = 'installed'")
    lines = [{"line": "gate", "a_to_b": 1, "b_to_a": None}]
    counts = {"v": 1, "t": NOW_MS, "dur_s": 10, "lines": lines} | changed
    lab.store(wire.raw(msgspec.json.encode(counts), topics.WALKTEST))
    assert lab.one("SELECT count(*) FROM walk_test") == 0
    ((payload, said),) = lab.rows("SELECT payload, reason FROM dead_letter")
    assert bytes(payload) == b""
    assert reason in said


def test_a_nonce_comes_back_out_of_the_database(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1, nonce="n" * 16), wire.lights(2, nonce="n" * 16))
    assert lab.rows("SELECT node_id, stream, nonce FROM batch_nonce") == [
        (NODE, "light", "n" * 16)
    ]  # fmt: skip


def test_commits_are_durable_whatever_the_servers_default(lab: Lab) -> None:
    lab.admin.execute("ALTER ROLE msl_ingest SET synchronous_commit = off")
    try:
        with open_connection(lab.dsn) as conn:
            assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)
    finally:
        lab.admin.execute("ALTER ROLE msl_ingest RESET synchronous_commit")
