"""Dead letters tried again, from the command line as an operator would."""

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from contract.batch import BatchRange
from contract.records import LightRecord
from contract.streams import Stream
from server.cli import app
from server.ingest.replay import NoSuchLetter, replay
from tests.server.ingest.test_dead_letter import with_bad
from tests.server.ingest.testlab import SPOOL, Lab, Wire

pytestmark = pytest.mark.db

Msl = Callable[..., Result]


@pytest.fixture
def msl(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Msl:
    monkeypatch.setenv("MSL_DATABASE_DSN", lab.dsn)
    return lambda *args: CliRunner().invoke(app, ["dead-letters", *args])


def number_of(lab: Lab) -> int:
    found = lab.one("SELECT dead_letter_id FROM dead_letter")
    assert isinstance(found, int)
    return found


def mend(lab: Lab) -> None:
    """What better software would do: the payload can be read now."""
    lab.admin.execute(
        "UPDATE dead_letter SET payload = convert_to("
        "replace(convert_from(payload, 'UTF8'), '\"bright\"', '7.0'), 'UTF8')"
    )


def test_a_record_leaves_rejected_for_stored(lab: Lab, wire: Wire, msl: Msl) -> None:
    lab.store(with_bad(wire.lights(1, 2, 3), 1))
    mend(lab)

    result = msl("replay", "--all")

    assert (result.exit_code, result.output) == (
        0,
        f"{number_of(lab)}: 1 stored, 0 held, 0 already there\n",
    )
    assert lab.ledger() == {"stored": [1, 2, 3]}
    assert lab.rows("SELECT seq, lux_p50, rev FROM light_raw JOIN origin USING (origin_id)"
                    " WHERE seq = 2") == [(2, 7.0, "0.1.0")]  # fmt: skip
    assert lab.one("SELECT replayed_at IS NOT NULL FROM dead_letter")


def test_a_noise_record_keeps_its_sensitivity(lab: Lab, wire: Wire) -> None:
    message = wire.message([wire.noise(1)], stream=Stream.NOISE)
    batch = json.loads(message.payload)
    batch["records"][0]["laeq"] = "bright"
    message.payload = json.dumps(batch).encode()
    lab.store(message)
    mend(lab)

    assert replay(lab.conn, number_of(lab), max_rows=10).stored == 1
    assert lab.rows("SELECT laeq, sens_db FROM noise_raw JOIN origin USING (origin_id)") == [
        (7.0, 120.0)
    ]


def test_a_whole_batch_is_stored_once_it_can_be_read(lab: Lab, wire: Wire) -> None:
    batch = wire.lights(3, 4)
    properties = BatchRange(SPOOL, 3, 4, 1).as_user_properties()
    lab.store(wire.lights(1, 2), wire.raw(b"{", properties=properties))
    lab.admin.execute("UPDATE dead_letter SET payload = %s", (batch.payload,))

    assert replay(lab.conn, number_of(lab), max_rows=10).stored == 2
    assert lab.ledger() == {"stored": [1, 2, 3, 4]}


def test_what_still_cannot_be_read_stays_and_says_why(lab: Lab, wire: Wire, msl: Msl) -> None:
    lab.store(with_bad(wire.lights(1), 0))

    result = msl("replay", str(number_of(lab)))

    assert result.exit_code == 1
    assert "stays: records[0].lux_p50" in result.output
    assert lab.ledger() == {"rejected": [1]}
    assert lab.rows("SELECT count, replayed_at FROM dead_letter") == [(1, None)]


def test_a_second_replay_finds_it_already_there(lab: Lab, wire: Wire) -> None:
    lab.store(with_bad(wire.lights(1), 0))
    mend(lab)
    number = number_of(lab)
    assert replay(lab.conn, number, max_rows=10).stored == 1
    again = replay(lab.conn, number, max_rows=10)
    assert (again.stored, again.duplicate) == (0, 1)


def test_a_time_that_was_wrong_when_it_came_is_still_held(lab: Lab, wire: Wire) -> None:
    ahead = wire.light(1, t=wire.start_ms + 400 * 86_400_000)
    assert isinstance(ahead, LightRecord)
    lab.store(with_bad(wire.message([ahead]), 0))
    mend(lab)
    assert replay(lab.conn, number_of(lab), max_rows=10).held == 1
    assert lab.ledger() == {"held": [1]}


def test_list_and_show_tell_what_and_why(lab: Lab, wire: Wire, msl: Msl) -> None:
    assert msl("list").output == "no dead letters\n"
    lab.store(with_bad(wire.lights(1, 2), 1))
    number = number_of(lab)

    assert "lux_p50" in msl("list").output
    (row,) = json.loads(msl("list", "--json").output)
    assert (row["node_id"], row["first_seq"], row["count"]) == ("lamp-01", 2, 1)
    shown = json.loads(msl("show", str(number), "--json").output)
    assert json.loads(shown["payload"])["lux_p50"] == "bright"


def test_purge_takes_what_was_replayed_and_leaves_the_rest(lab: Lab, wire: Wire, msl: Msl) -> None:
    lab.store(with_bad(wire.lights(1), 0), wire.raw(b"{"))
    mend(lab)
    msl("replay", "--all")

    assert msl("purge", "--replayed").output == "purged 1\n"
    assert [bytes(p) for (p,) in lab.rows("SELECT payload FROM dead_letter")] == [b"{"]
    assert msl("purge").exit_code == 2


def test_a_wrong_number_is_said(lab: Lab) -> None:
    with pytest.raises(NoSuchLetter, match="no dead letter 999; see msl dead-letters list"):
        replay(lab.conn, 999, max_rows=10)
