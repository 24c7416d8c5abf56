"""Counts of less than five minutes: one is a start or stop, two in a row follow single people."""

import pytest

from contract.flags import Flag
from contract.records import FootfallRecord, LineCount
from contract.streams import Stream
from tests.server.ingest.testlab import KEY, NODE, SPOOL, Lab, Wire

pytestmark = pytest.mark.db

SHORT = {"dur_s": 20.0, "valid_s": 20.0, "flags": [Flag.PARTIAL]}


def _short(wire: Wire, seq: int, after_s: float, **changed: object) -> FootfallRecord:
    return wire.footfall(seq, **{**SHORT, "t": wire.start_ms + int(after_s * 1000), **changed})


def _held(lab: Lab) -> list[tuple[int, str]]:
    return [(s, r) for s, r in lab.rows("SELECT seq, reason FROM held_footfall ORDER BY seq")]


def _stored(lab: Lab) -> list[int]:
    return [seq for (seq,) in lab.rows("SELECT seq FROM footfall_raw ORDER BY seq")]


def test_the_second_within_300_s_is_kept_aside(lab: Lab, wire: Wire) -> None:
    records = [_short(wire, 1, 0), _short(wire, 2, 20), _short(wire, 3, 299), _short(wire, 4, 300)]
    done = lab.store(wire.message(records, stream=Stream.FOOTFALL))
    assert (_stored(lab), _held(lab)) == ([1, 4], [(2, "short"), (3, "short")])
    assert done.complete_to[KEY._replace(stream=Stream.FOOTFALL)] == 4


def test_it_does_not_matter_in_which_batch_it_comes(lab: Lab, wire: Wire) -> None:
    lab.store(wire.message([_short(wire, 1, 400)], stream=Stream.FOOTFALL))
    lab.store(wire.message([_short(wire, 2, 120)], stream=Stream.FOOTFALL))
    lab.store(wire.message([_short(wire, 3, 80)], stream=Stream.FOOTFALL))
    assert (_stored(lab), _held(lab)) == ([1, 3], [(2, "short")])


def test_a_stop_and_a_start_that_count_nobody_are_no_reason(lab: Lab, wire: Wire) -> None:
    blind = {
        "valid_s": 0.0, "occupancy": None, "fps": None, "scene_luma": None,
        "lines": [LineCount(line="gate", a_to_b=None, b_to_a=None)],
    }  # fmt: skip
    records = [_short(wire, 1, 0, **blind), _short(wire, 2, 20, **blind), _short(wire, 3, 40)]
    lab.store(wire.message(records, stream=Stream.FOOTFALL))
    assert (_stored(lab), _held(lab)) == ([1, 2, 3], [])


def test_simulated_counts_follow_nobody(lab: Lab, wire: Wire) -> None:
    flags = [Flag.PARTIAL, Flag.SIMULATED]
    records = [_short(wire, seq, 20 * seq, flags=flags) for seq in (1, 2, 3)]
    lab.store(wire.message(records, stream=Stream.FOOTFALL))
    assert (_stored(lab), _held(lab)) == ([1, 2, 3], [])


def test_another_node_has_its_own_start(lab: Lab, wire: Wire) -> None:
    lab.admin.execute(
        "INSERT INTO node (node_id, lab_id, created_at)"
        " SELECT 'lamp-99', lab_id, created_at FROM node WHERE node_id = %s",
        [NODE],
    )
    lab.store(wire.message([_short(wire, 1, 0)], stream=Stream.FOOTFALL))
    lab.store(
        wire.message([_short(wire, 1, 20)], stream=Stream.FOOTFALL, node="lamp-99", spool=SPOOL)
    )
    assert _held(lab) == []


def test_a_correction_of_the_clock_does_not_let_them_through(lab: Lab, wire: Wire) -> None:
    lab.store(wire.message([_short(wire, 1, 0), _short(wire, 2, 20)], stream=Stream.FOOTFALL))
    (boot,) = lab.rows("SELECT boot FROM origin LIMIT 1")[0]
    (correction,) = lab.rows(
        "INSERT INTO clock_correction (node_id, spool, boot, offset_ms, reason)"
        f" VALUES ('{NODE}', '{SPOOL}', '{boot}', 1000, 'test') RETURNING correction_id"
    )[0]
    lab.rows(f"SELECT * FROM release_held({correction})")
    assert (_stored(lab), _held(lab)) == ([1], [(2, "short")])
