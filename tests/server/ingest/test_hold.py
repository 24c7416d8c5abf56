"""Records that are not to be believed yet: received, kept aside, never among the accepted."""

import pytest

from contract.events import SpoolOverflow
from contract.flags import Flag
from contract.limits import MAX_AHEAD_S
from contract.streams import Stream
from tests.server.ingest.testlab import KEY, MINUTE_MS, NODE, NOW_MS, SPOOL, Lab, Wire

pytestmark = pytest.mark.db


def reasons(lab: Lab, table: str = "held_light") -> list[tuple[int, str]]:
    return [(s, r) for s, r in lab.rows(f"SELECT seq, reason FROM {table} ORDER BY seq")]


def test_a_year_ahead_is_held_and_counts_as_received(lab: Lab, wire: Wire) -> None:
    ahead = wire.light(2, t=NOW_MS + 365 * 86_400_000)
    done = lab.store(wire.message([wire.light(1), ahead, wire.light(3)]))

    assert reasons(lab) == [(2, "ahead")]
    assert lab.seqs() == [1, 3]
    assert lab.ledger() == {"stored": [1, 3], "held": [2]}
    assert done.complete_to == {KEY: 3}
    assert done.records["light", "held"] == 1


def test_the_bound_ahead_is_measured_from_receipt(lab: Lab, wire: Wire) -> None:
    edge_ms = NOW_MS + MAX_AHEAD_S * 1000
    lab.store(wire.message([wire.light(1, t=edge_ms), wire.light(2, t=edge_ms + 1)]))
    assert (lab.seqs(), reasons(lab)) == ([1], [(2, "ahead")])


def test_a_record_from_before_the_node_existed_is_held(lab: Lab, wire: Wire) -> None:
    created_ms = wire.t(10) + 30_000
    lab.admin.execute("UPDATE node SET created_at = to_timestamp(%s)", (created_ms / 1000,))

    lab.store(wire.lights(9, 10, 11))

    # The window of 10 contains the node's first moment.
    assert (lab.seqs(), reasons(lab)) == ([10, 11], [(9, "before_creation")])


def test_an_unsynced_clock_is_held_whatever_it_says(lab: Lab, wire: Wire) -> None:
    records = [
        wire.light(1, flags=[Flag.CLOCK_UNSYNCED, Flag.SIMULATED]),
        wire.light(2, flags=[Flag.CLOCK_UNSYNCED], t=NOW_MS + 86_400_000),
        wire.light(3, flags=[Flag.SIMULATED]),
    ]
    lab.store(wire.message(records))
    assert reasons(lab) == [(1, "clock_unsynced"), (2, "clock_unsynced")]
    assert lab.seqs() == [3]


def test_what_comes_for_a_sealed_time_is_held(lab: Lab, wire: Wire) -> None:
    lab.admin.execute(
        "UPDATE rollup_seal SET before = to_timestamp(%s) WHERE stream = 'light'",
        (wire.t(2) / 1000,),
    )
    lab.store(wire.lights(1, 2), wire.message([wire.noise(1)], stream=Stream.NOISE))

    assert (lab.seqs(), reasons(lab)) == ([2], [(1, "sealed")])
    assert lab.seqs("noise_raw") == [1]


def test_held_footfall_keeps_its_lines(lab: Lab, wire: Wire) -> None:
    records = [wire.footfall(1, flags=[Flag.CLOCK_UNSYNCED]), wire.footfall(2)]
    lab.store(wire.message(records, stream=Stream.FOOTFALL))

    assert lab.rows("SELECT seq, line, reason FROM held_footfall_line ORDER BY line") == [
        (1, "gate", "clock_unsynced"),
        (1, "path", "clock_unsynced"),
    ]
    assert lab.seqs("footfall_line_raw") == [2, 2]


def test_held_noise_keeps_its_histogram(lab: Lab, wire: Wire) -> None:
    records = [wire.noise(seq, flags=[Flag.CLOCK_UNSYNCED]) for seq in (1, 2)]
    lab.store(wire.message(records, stream=Stream.NOISE))
    assert lab.rows("SELECT laf_class, laf_n FROM held_noise ORDER BY seq") == [
        ([100], [1]),
        ([100, 101], [2, 2]),
    ]


def test_a_held_record_comes_once_and_leaves_no_mark(lab: Lab, wire: Wire) -> None:
    unsynced = wire.light(1, flags=[Flag.CLOCK_UNSYNCED])
    lab.store(wire.message([unsynced]))
    # Again as it was, and again as if its clock had been in order: the first wins.
    lab.store(wire.message([unsynced]), wire.lights(1))

    assert lab.ledger() == {"held": [1]}
    assert (lab.seqs(), lab.seqs("held_light")) == ([], [1])
    assert lab.one("SELECT count(*) FROM rollup_mark") == 0


def test_a_held_event_still_says_what_is_lost(lab: Lab, wire: Wire) -> None:
    body = SpoolOverflow(stream=Stream.LIGHT, spool=SPOOL, first=1, last=4)
    event = wire.event(1, body, flags=[Flag.CLOCK_UNSYNCED])

    done = lab.store(wire.lights(5), wire.message([event], stream=Stream.EVENT))

    assert done.complete_to[KEY] == 5
    assert lab.ledger() == {"stored": [5], "lost": [1, 2, 3, 4]}


def test_latest_never_sees_a_held_record(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(1), wire.message([wire.light(2, t=NOW_MS + 40 * MINUTE_MS)]))
    latest = lab.one(
        "SELECT extract(epoch FROM max(t)) * 1000 FROM light_raw WHERE node_id = %s", NODE
    )
    assert latest == wire.t(1)
