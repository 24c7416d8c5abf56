"""A stick in place of the uplink: the real commands, and each record once, however it came."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from contract.streams import Stream
from tests.chaos.harness import ROOT, Process, Town, wait_for
from tests.chaos.node_process import MAKING, Job

pytestmark = [pytest.mark.db, pytest.mark.mqtt, pytest.mark.timeout(120)]
RECORDS = 1500


def run(module: str, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *args],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def msl_node(town: Town, *args: str) -> "subprocess.CompletedProcess[str]":
    sets = ("--set", f"node_id={town.node_id}", "--set", f"state_dir={town.folder}")
    return run("edge", "export", *sets, "--set", "trust_clock=always", "--json", *args)


def msl_import(town: Town, path: Path) -> "subprocess.CompletedProcess[str]":
    dsn = town.database.dsn_as("msl_ingest")
    return run("server.cli", "import", "--json", str(path), MSL_DATABASE_DSN=dsn)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def offline(town: Town, records: int) -> Job:
    job = town.job(records=records, per_commit=500, offline=True)
    with town.node(job) as node:
        assert node.wait(60) == 0, node.log
    return job


def exported(town: Town, stick: Path) -> Path:
    done = msl_node(town, "--to", str(stick))
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["file"])


def outcomes(done: "subprocess.CompletedProcess[str]", stream: Stream) -> dict[str, int]:
    assert done.returncode == 0, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    return {name: n for name, n in file["streams"][stream.value].items() if n}


def test_imported_twice_and_resent_by_the_uplink_is_stored_once(town: Town, stick: Path) -> None:
    job = offline(town, RECORDS)
    path = exported(town, stick)

    first, again = msl_import(town, path), msl_import(town, path)

    for stream in MAKING:
        assert outcomes(first, stream) == {"stored": RECORDS}
        assert outcomes(again, stream) == {"duplicate": RECORDS}
    # The spool still holds all of it, and makes more: now the uplink is there.
    online = town.job(records=RECORDS + 200, per_commit=100)
    with town.ingester() as ingester, town.node(online) as node:
        ingester.wait_connected()
        assert node.wait(60) == 0, node.log
    assert town.assert_settled(job) == (RECORDS + 200) * len(MAKING) + 2  # two starts


def test_an_acknowledgement_on_the_stick_frees_the_spool_and_nothing_is_lost(
    town: Town, stick: Path
) -> None:
    offline(town, RECORDS)
    msl_import(town, exported(town, stick))

    freed = msl_node(town, "--acknowledge", str(stick))

    assert freed.returncode == 0, freed.stderr
    deleted = json.loads(freed.stdout)
    assert deleted == {"deleted": dict.fromkeys(MAKING, RECORDS) | {"event": 1}, "left": 0}
    # What is made afterwards goes on where the numbers stopped.
    job = offline(town, RECORDS + 100)
    second = msl_import(town, exported(town, stick))
    assert outcomes(second, Stream.LIGHT) == {"stored": 100}
    assert town.assert_settled(job) == (RECORDS + 100) * len(MAKING) + 2


def test_an_import_killed_in_the_middle_is_finished_by_the_next(town: Town, stick: Path) -> None:
    job = offline(town, RECORDS)
    path = exported(town, stick)
    env = {
        "MSL_DATABASE_DSN": town.database.dsn_as("msl_ingest"),
        "MSL_INGEST_BATCH_ROWS": "1",  # a transaction a batch
    }
    argv = [sys.executable, "-m", "server.cli", "import", str(path)]
    # Light comes first in the file; noise has to wait for this lock, and dies waiting.
    with psycopg.connect(town.database.dsn) as blocker:
        blocker.execute("LOCK TABLE noise_raw")
        with Process(argv, town.folder / "import.log", env) as importing:
            wait_for(lambda: town.rows("SELECT count(*) FROM light_raw") == [(RECORDS,)])
            importing.kill()
    assert town.rows("SELECT count(*) FROM noise_raw") == [(0,)]
    assert not (stick / "lamp-01.ack.json").exists()

    done = msl_import(town, path)

    assert done.returncode == 0, done.stderr
    assert town.assert_settled(job) == RECORDS * len(MAKING) + 1


def test_a_cut_file_gives_its_whole_batches_and_names_the_first_missing_one(
    town: Town, stick: Path
) -> None:
    offline(town, RECORDS)
    path = exported(town, stick)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:1000])

    done = msl_import(town, path)

    assert done.returncode == 1
    (file,) = json.loads(done.stdout)["files"]
    assert (file["batches"], file["damage"]) == (3, "batch 4 is cut off after 1000 bytes")
    ((stored,),) = town.rows("SELECT count(*) FROM light_raw")
    assert stored == file["streams"]["light"]["stored"] > 0
    # The acknowledgement covers what came in, no more; the rest is exported again.
    assert msl_node(town, "--acknowledge", str(stick)).returncode == 0
    job = town.job(records=RECORDS)
    assert msl_import(town, exported(town, stick)).returncode == 0
    town.assert_settled(job)


def test_a_node_that_is_not_registered_is_named_and_nothing_is_stored(
    town: Town, stick: Path
) -> None:
    offline(town, 10)
    path = exported(town, stick)
    with town.sql() as conn:
        conn.execute("DELETE FROM node")

    done = msl_import(town, path)

    assert (done.returncode, json.loads(done.stdout)["files"]) == (1, [])
    assert "doesn't know lamp-01; enter it with msl node add" in done.stderr
    assert town.rows("SELECT * FROM ledger") == []
    assert not (stick / "lamp-01.ack.json").exists()
