"""A file from a stick goes the way of the broker's messages, with all that can go wrong there."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contract.messages import Ack
from contract.stick import StickWriter, decode_acknowledgement
from contract.streams import Stream
from server.cli import app
from server.ingest.inbound import Message
from server.ingest.stick import Imported, ImportStopped, import_stick
from tests.server.ingest.test_dead_letter import with_bad
from tests.server.ingest.testlab import NODE, NOW_MS, SPOOL, UNSYNCED, Lab, Wire

pytestmark = pytest.mark.db


def write(path: Path, messages: Sequence[Message], node: str = NODE) -> Path:
    writer = StickWriter()
    lines = [writer.head(node, SPOOL, NOW_MS)]
    lines += [writer.batch(m.topic, list(m.properties), m.payload) for m in messages]
    path.write_bytes(b"".join([*lines, writer.end()]))
    return path


def imported(lab: Lab, path: Path, *, batch_rows: int = 100, max_rows: int = 10) -> Imported:
    return import_stick(
        lab.conn,
        path,
        batch_rows=batch_rows,
        dead_letter_max_rows=max_rows,
        progress=lambda *_: None,
    )


@pytest.fixture
def msl(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("MSL_DATABASE_DSN", lab.dsn)
    return lambda *args: CliRunner().invoke(app, ["import", *map(str, args)])


def test_what_the_broker_brought_before_is_counted_as_duplicate(
    lab: Lab, wire: Wire, tmp_path: Path
) -> None:
    lab.store(wire.lights(1, 2))
    done = imported(lab, write(tmp_path / "a", [wire.lights(1, 2, 3), wire.lights(4)]))
    assert dict(+done.records) == {("light", "stored"): 2, ("light", "duplicate"): 2}
    assert lab.ledger() == {"stored": [1, 2, 3, 4]}
    assert (done.batches_n, done.damage) == (2, None)


def test_poison_goes_to_the_dead_letter_and_its_neighbours_are_stored(
    lab: Lab, wire: Wire, tmp_path: Path
) -> None:
    held = wire.message([wire.light(9, flags=UNSYNCED)])
    path = write(tmp_path / "a", [with_bad(wire.lights(1, 2, 3), 1), held])
    done = imported(lab, path)
    assert dict(+done.records) == {
        ("light", "stored"): 2,
        ("light", "rejected"): 1,
        ("light", "held"): 1,
    }
    assert lab.ledger() == {"stored": [1, 3], "rejected": [2], "held": [9]}


def test_a_value_that_postgresql_refuses_does_not_keep_the_others_out(
    lab: Lab, wire: Wire, tmp_path: Path
) -> None:
    path = write(tmp_path / "a", [wire.lights(*range(1, 6)), wire.lights(*range(6, 11))])
    with lab.refusing("seq <> 7"):
        done = imported(lab, path)
    assert lab.seqs() == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    assert lab.ledger()["rejected"] == [7]
    assert [*done.complete_to.values()] == [10]


def test_a_full_dead_letter_stops_it_and_what_is_in_stays(
    lab: Lab, wire: Wire, tmp_path: Path
) -> None:
    bad = [with_bad(wire.lights(seq), 0) for seq in (2, 3)]
    path = write(tmp_path / "a", [wire.lights(1), *bad, wire.lights(4)])
    with pytest.raises(ImportStopped, match=r"holds 1 of 1 payloads.*then import a again"):
        imported(lab, path, batch_rows=1, max_rows=1)
    assert lab.ledger() == {"stored": [1], "rejected": [2]}
    assert imported(lab, path, max_rows=10).batches_n == 4
    assert lab.ledger() == {"stored": [1, 4], "rejected": [2, 3]}


def test_one_unusable_file_does_not_keep_the_others_back(
    lab: Lab, wire: Wire, tmp_path: Path, msl: Callable[..., Result]
) -> None:
    (tmp_path / "notes.msl-stick").write_text("call the electrician\n")
    strange = write(tmp_path / "strange", [], node="lamp-99")
    good = write(tmp_path / "good", [wire.lights(1, 2)])

    done = msl("--json", tmp_path / "notes.msl-stick", strange, tmp_path / "gone", good)

    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert [file["node"] for file in answer["files"]] == [NODE]
    assert [text.partition(str(tmp_path))[2][:6] for text in answer["failures"]] == [
        "/notes", "", "/gone ",
    ]  # fmt: skip
    assert lab.seqs() == [1, 2]


def test_the_acknowledgement_says_what_the_broker_would_have_said(
    lab: Lab, wire: Wire, tmp_path: Path, msl: Callable[..., Result]
) -> None:
    noise = wire.message([wire.noise(1)], stream=Stream.NOISE)
    path = write(tmp_path / "a", [wire.lights(1, 2, 5), noise])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    done = msl(path, "--ack-to", elsewhere)

    assert (done.exit_code, done.stdout) == (
        0,
        f"{path}: lamp-01, spool {SPOOL}, 2 batches\n"
        "  light     3 stored, 0 duplicate, 0 held, 0 rejected\n"
        "  noise     1 stored, 0 duplicate, 0 held, 0 rejected\n"
        f"acknowledgement: {elsewhere / 'lamp-01.ack.json'}\n",
    )
    found = decode_acknowledgement((elsewhere / "lamp-01.ack.json").read_bytes())
    said = {item.stream: Ack(v=1, spool=item.spool, seq=item.seq) for item in found.acks}
    assert said == {
        Stream.LIGHT: Ack(v=1, spool=SPOOL, seq=2),
        Stream.NOISE: Ack(v=1, spool=SPOOL, seq=1),
    }
    read_only = msl(path, "--ack-to", tmp_path / "nowhere")
    assert read_only.exit_code == 1
    assert "all is stored, but" in read_only.stderr
