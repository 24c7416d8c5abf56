"""What is missing is listed with its times and its cause; what arrives leaves the list."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from contract.events import Quarantine, Restart, SpoolOverflow
from contract.streams import Stream
from server.cli import app
from server.completeness.gaps import CAUSES, Gap, read_gaps
from server.completeness.lines import read_lines
from tests.fixtures_stack import Database
from tests.server.api.served import served
from tests.server.ingest.testlab import NODE, SPOOL, Lab, Wire

pytestmark = pytest.mark.db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def gaps(lab: Lab) -> list[Gap]:
    return read_gaps(lab.admin, node_id=None, since=LONG_AGO, limit=100)[0]


def brief(lab: Lab) -> list[tuple[str, int | None, int | None, str]]:
    return [(g.stream or "all", g.first_seq, g.last_seq, g.cause) for g in gaps(lab)]


def at(wire: Wire, seq: int) -> datetime:
    return datetime.fromtimestamp(wire.t(seq) / 1000, UTC)


def test_a_missing_record_is_awaited_between_its_neighbours_until_it_comes(
    lab: Lab, wire: Wire
) -> None:
    lab.store(wire.lights(1, 2, 5, 6))

    (gap,) = gaps(lab)
    assert (gap.first_seq, gap.last_seq, gap.records_n, gap.cause) == (3, 4, 2, "awaited")
    assert (gap.from_t, gap.to_t) == (at(wire, 3), at(wire, 5))
    (line,) = read_lines(lab.admin)
    assert (line.complete_to, line.highest, line.awaited_n, line.stored_n) == (2, 6, 2, 4)

    lab.store(wire.lights(3, 4))
    assert gaps(lab) == []
    assert read_lines(lab.admin)[0].complete_to == 6


def test_the_nodes_own_word_goes_before_what_its_low_implies(lab: Lab, wire: Wire) -> None:
    overflow = SpoolOverflow(stream=Stream.LIGHT, spool=SPOOL, first=3, last=5)
    aside = Quarantine(stream=Stream.LIGHT, spool=SPOOL, first=8, last=8, detail="never taken")
    lab.store(wire.lights(1, 2))
    lab.store(wire.lights(11, low=10))  # 3 to 9 will not come, says `low`
    events = [wire.event(1, overflow), wire.event(2, aside)]
    lab.store(wire.message(events, stream=Stream.EVENT))

    assert brief(lab) == [
        ("light", 3, 5, "spool_overflow"),
        ("light", 6, 7, "below_low"),
        ("light", 8, 8, "quarantine"),
        ("light", 9, 9, "below_low"),
        ("light", 10, 10, "awaited"),
    ]
    line = next(line for line in read_lines(lab.admin) if line.stream == "light")
    assert (line.complete_to, line.lost_n, line.awaited_n) == (9, 7, 1)


def test_a_restart_is_a_gap_in_time_without_records(lab: Lab, wire: Wire) -> None:
    restart = Restart(reason="power", down_from=wire.t(5), down_to=wire.t(9))
    lab.store(wire.message([wire.event(1, restart)], stream=Stream.EVENT))

    (gap,) = gaps(lab)
    assert (gap.cause, gap.detail, gap.records_n) == ("node_restarted", "power", None)
    assert (gap.from_t, gap.to_t) == (at(wire, 5), at(wire, 9))
    later = at(wire, 1) + timedelta(days=1)
    assert read_gaps(lab.admin, node_id=None, since=later, limit=9) == ([], 0)


def test_a_node_that_stands_somewhere_and_never_spoke_is_listed(lab: Lab) -> None:
    assert gaps(lab) == []  # only created: nobody expects it to speak
    lab.admin.execute("UPDATE node SET state = 'installed'")
    (gap,) = gaps(lab)
    assert (gap.node_id, gap.cause, gap.detail) == (NODE, "never_seen", "installed")


def test_no_more_than_asked_are_listed_and_the_rest_is_counted(lab: Lab, wire: Wire) -> None:
    lab.store(wire.lights(*range(1, 40, 2)))
    found, total_n = read_gaps(lab.admin, node_id=NODE, since=LONG_AGO, limit=5)
    assert ([g.first_seq for g in found], total_n) == ([2, 4, 6, 8, 10], 19)


def test_the_command_shows_lines_gaps_and_what_the_causes_mean(
    lab: Lab, wire: Wire, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSL_DATABASE_DSN", database.dsn_as("msl_api"))
    lab.store(wire.lights(1, 3))

    shown = CliRunner().invoke(app, ["gaps"])
    assert shown.exit_code == 0, shown.output
    assert f"awaited: {CAUSES['awaited']}" in shown.output
    assert "2-2" in shown.output
    answer = json.loads(CliRunner().invoke(app, ["gaps", "--node", NODE, "--json"]).output)
    assert answer["lines"][0]["complete_to"] == 1
    assert [(g["first_seq"], g["records_n"]) for g in answer["gaps"]] == [(2, 1)]
    assert answer["gaps_n"] == 1
    unknown = CliRunner().invoke(app, ["gaps", "--node", "lamp-99"])
    assert "no node lamp-99; msl node list shows them" in str(unknown.exception)


def test_the_api_says_the_same(lab: Lab, wire: Wire, database: Database) -> None:
    lab.store(wire.lights(1, 3))
    with served(database.dsn_as("msl_api")) as client:
        answer = client.get(f"/api/v1/nodes/{NODE}/gaps").json()
        (line,) = answer["lines"]
        assert (line["stream"], line["complete_to"], line["awaited_n"]) == ("light", 1, 1)
        (gap,) = answer["gaps"]
        assert (gap["first_seq"], gap["records_n"], gap["cause"]) == (2, 1, "awaited")
        assert gap["meaning"] == CAUSES["awaited"]
        assert gap["from_t"] == at(wire, 2).isoformat().replace("+00:00", "Z")
        assert client.get("/api/v1/nodes/lamp-99/gaps").status_code == 404
