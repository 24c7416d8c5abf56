"""Events left for the agent: taken once, whatever is killed in between."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contract.events import Validation
from edge.handover import Handover
from edge.spool import Spool

BODY = Validation(
    line="gate",
    from_t=1_790_000_000_000,
    to_t=1_790_000_900_000,
    manual_a_to_b=3,
    manual_b_to_a=1,
    counted_a_to_b=2,
    counted_b_to_a=1,
)


def spooled(folder: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(folder / "spool.db")
    rows = connection.execute("SELECT body FROM record WHERE stream = 'event'").fetchall()
    connection.close()
    return [json.loads(body) for (body,) in rows]


def test_what_was_left_is_committed_in_order_and_removed(
    open_spool: Callable[..., Spool], tmp_path: Path
) -> None:
    handover, spool = Handover(tmp_path), open_spool()
    assert handover.take(spool) == 0
    handover.leave(BODY, simulated=False)
    handover.leave(BODY, simulated=True)
    assert handover.take(spool) == 2
    assert [event["flags"] for event in spooled(tmp_path)] == [[], ["SIMULATED"]]
    assert spooled(tmp_path)[0]["body"]["manual_a_to_b"] == 3
    assert list((tmp_path / "handover").iterdir()) == []
    assert spool.depth().used_bytes > 0


def test_a_kill_between_commit_and_removal_doubles_nothing(
    open_spool: Callable[..., Spool], tmp_path: Path
) -> None:
    handover, spool = Handover(tmp_path), open_spool()
    file = handover.leave(BODY, simulated=False)
    left = file.read_bytes()
    handover.take(spool)
    spool.close()
    file.write_bytes(left)  # as if it had not been removed
    again = open_spool()
    assert handover.take(again) == 0
    assert len(spooled(tmp_path)) == 1
    assert not file.exists()


def test_what_cannot_be_read_is_set_aside_and_the_next_is_taken(
    open_spool: Callable[..., Spool], tmp_path: Path
) -> None:
    handover, spool = Handover(tmp_path), open_spool()
    bad = handover.leave(BODY, simulated=False)
    bad.write_text('{"body": {"kind": "restart", "reason": "x"}, "simulated": false}')
    handover.leave(BODY, simulated=False)
    assert handover.take(spool) == 1
    assert [file.suffix for file in (tmp_path / "handover").iterdir()] == [".bad"]
