"""Every illness is made for real and found, with what to do about it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
import pytest
from typer.testing import CliRunner, Result

from contract.streams import Stream
from provisioning.localstack import Broker, Postgres
from server.cli import app
from server.doctor import database as database_checks
from server.doctor import machine
from server.doctor.certificates import check_certificates
from server.doctor.finding import State
from server.doctor.intake import NEED_DATABASE
from server.identity import ca
from server.identity.ca import CredentialFiles
from server.ingest.broker_access import BrokerAccess
from server.ingest.metrics import Metrics
from server.ingest.receive import MqttReceiver
from tests.fixtures_stack import Database
from tests.server.doctor.conftest import Platform
from tests.server.ingest.test_receive import wait_for

pytestmark = [pytest.mark.db, pytest.mark.mqtt]
Issue = Callable[[str], CredentialFiles]
OK, WARN, FAILED, SKIPPED = State.OK, State.WARN, State.FAILED, State.SKIPPED


@pytest.fixture
def msl(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    for name, value in platform.values.items():
        monkeypatch.setenv(f"MSL_{name.upper()}", str(value))
    # Whatever this machine's own clock says.
    monkeypatch.setattr(machine, "_adjtimex", lambda _: 0)
    return lambda *args: CliRunner().invoke(app, ["doctor", *args])


def test_a_healthy_platform_is_said_to_be_one(
    platform: Platform, msl: Callable[..., Result]
) -> None:
    done = msl("--json")
    answer = json.loads(done.output)
    assert [f for f in answer["findings"] if f["state"] != "ok"] == []
    assert (done.exit_code, answer["state"]) == (0, "ok")
    assert "CONNACK as srv-probe after" in done.output
    checks = {f["check"] for f in answer["findings"]}
    assert checks == {"broker", "certificate", "database", "disk", "clock", *NEED_DATABASE}


def test_exit_codes_and_the_next_act(platform: Platform, msl: Callable[..., Result]) -> None:
    platform.pilot.hold("lamp-01", "ahead", datetime.now(UTC))
    done = msl()
    assert done.exit_code == 1
    assert "held           warn    1 ahead of 1 nodes\n" in done.output
    assert "-> msl clock-correction add" in done.output
    platform.admin.execute("DELETE FROM migration WHERE number = 9")
    assert msl().exit_code == 2


# Broker


def test_a_broker_that_is_down(platform: Platform, broker: Broker) -> None:
    broker.stop()
    found = platform.of("broker")
    assert found.state is FAILED
    assert "Connection refused" in found.detail


def test_a_broker_of_another_authority(platform: Platform, tmp_path: Path) -> None:
    other = ca.create_root("Somebody else").save(tmp_path / "other")
    found = platform.of("broker", broker_ca_file=str(other.certificate))
    assert (found.state, "CERTIFICATE_VERIFY_FAILED" in found.detail) == (FAILED, True)


def test_a_certificate_the_broker_does_not_take(platform: Platform, tmp_path: Path) -> None:
    files = ca.issue_process(ca.create_root("Else"), "srv-ingest").save(tmp_path / "else")
    paths = {"broker_cert_file": str(files.certificate), "broker_key_file": str(files.key)}
    found = platform.of("broker", probe_cert_file=None, **paths)
    assert found.state is FAILED
    assert "TLS" in found.detail


def test_an_ingester_at_work_is_not_displaced(
    platform: Platform, broker: Broker, client_certificate: Issue
) -> None:
    files = client_certificate("srv-ingest")
    access = BrokerAccess(
        host="127.0.0.1",
        port=broker.port,
        ca_file=broker.ca_file,
        cert_file=files.certificate,
        key_file=files.key,
    )
    paths = {"broker_cert_file": str(files.certificate), "broker_key_file": str(files.key)}
    metrics = Metrics()
    with MqttReceiver(access, receive_maximum=10, metrics=metrics) as receiver:
        wait_for(lambda: receiver.connected)
        found = platform.of("broker", probe_cert_file=None, **paths)
        assert found.state is OK
        assert "TLS as srv-ingest, not logged in" in found.detail
        assert receiver.connected
    connects = metrics.registry.get_sample_value("msl_ingest_connects_total", {"to": "broker"})
    assert connects == 1


# Certificates


def test_certificates_that_end(platform: Platform, tmp_path: Path) -> None:
    values = platform.settings(broker_ca_file=None)
    now = datetime.now(UTC)
    for days, state, said in ((0, OK, "days"), (80, WARN, "days"), (91, FAILED, "expired")):
        (found,) = check_certificates(values, now + timedelta(days=days))
        assert (found.state, said in found.detail) == (state, True)
    (early,) = check_certificates(values, now - timedelta(days=1))
    assert (early.state, early.next_act) == (FAILED, "set the clock")
    (tmp_path / "x.pem").write_text("nonsense")
    found = platform.of("certificate", broker_ca_file=None, probe_cert_file=str(tmp_path / "x.pem"))
    assert found.state is FAILED


# Database


def test_a_database_that_is_down(platform: Platform, postgres: Postgres) -> None:
    postgres.stop()
    found = {f.check: f for f in platform.findings()}
    assert found["database"].state is FAILED
    assert found["database"].next_act == "start PostgreSQL; see msl settings for database_dsn"
    assert {check for check, f in found.items() if f.state is SKIPPED} >= set(NEED_DATABASE)
    assert found["broker"].state is OK  # the rest is looked at all the same


def test_a_database_that_was_never_prepared(platform: Platform, empty_database: Database) -> None:
    found = {f.check: f for f in platform.findings(database_dsn=empty_database.dsn)}
    assert found["database"].state is FAILED
    assert "has no TimescaleDB" in found["database"].detail
    assert (found["migrations"].state, found["migrations"].next_act) == (FAILED, "msl migrate")
    assert found["ingest"].state is SKIPPED


@pytest.mark.parametrize(
    ("change", "said", "act"),
    [
        ("DELETE FROM migration WHERE number = 11", "1 to apply, from 0011_", "msl migrate"),
        (
            "INSERT INTO migration VALUES (9999, '9999_later.sql', '')",
            "the database has 9999_later.sql",
            "install the newer software",
        ),
        (
            "UPDATE migration SET sha256 = 'x' WHERE number = 3",
            "0003_ledger.sql was another file",
            "restore that file",
        ),
    ],
    ids=["behind", "ahead", "changed"],
)
def test_migrations_that_do_not_match(platform: Platform, change: str, said: str, act: str) -> None:
    platform.admin.execute(change.encode())
    found = platform.of("migrations")
    assert (found.state, said in found.detail, found.next_act) == (FAILED, True, act)


def test_a_role_that_may_not_look(platform: Platform, database: Database) -> None:
    found = platform.of("migrations", database_dsn=database.dsn_as("msl_grafana"))
    assert (found.state, found.next_act) == (FAILED, "ask as msl_api or msl_worker")


def test_a_worker_that_is_missing_or_behind(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.admin.execute(
        "INSERT INTO rollup_mark (node_id, stream, hour)"
        " SELECT 'lamp-01', 'light', timestamptz '2026-01-01Z' + h * interval '1 hour'"
        " FROM generate_series(1, 30) AS h, generate_series(1, 2)"
    )
    assert platform.of("rollups").detail == "a worker is at work; 30 hours wait to be rolled up"
    monkeypatch.setattr(database_checks, "MARKS_WARN_N", 29)
    assert platform.of("rollups").state is WARN
    platform.admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    found = platform.of("rollups")
    assert (found.state, found.next_act) == (FAILED, "start msl work")


# What comes in


def test_streams_that_fell_silent(platform: Platform) -> None:
    ages = "UPDATE ledger SET last_at = now() - interval '2 hours' WHERE stream = ANY(%s)"
    platform.admin.execute(ages, [["noise"]])
    lines = [f for f in platform.findings() if f.check == "ingest"]
    assert [f.state for f in lines] == [OK, WARN, OK, OK]
    assert lines[1].detail.startswith("noise: last batch 2 h ago")
    platform.admin.execute(ages, [["light", "footfall", "health"]])
    lines = [f for f in platform.findings() if f.check == "ingest"]
    assert {(f.state, f.next_act) for f in lines} == {(FAILED, "start msl ingest")}
    platform.admin.execute("DELETE FROM ledger")
    assert platform.of("ingest").detail == "nothing was ever received"


def test_gaps_name_the_worst_nodes_and_the_causes(platform: Platform) -> None:
    for n in range(2, 6):
        platform.pilot.node(f"lamp-0{n}")
        platform.pilot.ledger(f"lamp-0{n}", Stream.LIGHT, "stored", 1 + 10 * n, 1 + 10 * n)
    platform.admin.execute(
        "INSERT INTO loss (node_id, spool, stream, first_seq, last_seq, cause)"
        " SELECT node_id, spool, stream, 1, 7, 'spool_overflow' FROM ledger LIMIT 1"
    )
    found = platform.of("gaps")
    assert (found.state, found.next_act) == (WARN, "msl gaps --node lamp-05")
    assert found.detail == (
        "140 records awaited from 4 nodes (lamp-05 50, lamp-04 40, lamp-03 30);"
        " 7 lost in 7 days: the node's spool was full and its oldest records went"
    )


def test_dead_letters_wait_and_fill_up(platform: Platform) -> None:
    platform.admin.execute(
        "INSERT INTO dead_letter (topic_payload_sha256, topic, payload, reason)"
        " SELECT int4send(n), 'x', '', 'odd' FROM generate_series(1, 3) AS n"
    )
    assert platform.of("dead letters").detail == "3 of at most 10000"
    full = platform.of("dead letters", dead_letter_max_rows=3)
    assert (full.state, full.detail) == (FAILED, "full: 3 of 3")


def test_nodes_that_nobody_registered(platform: Platform) -> None:
    platform.admin.execute(
        "INSERT INTO unknown_node (node_id, kind) VALUES ('lamp-77', 'light'), ('lamp-01', 'light')"
    )
    found = platform.of("unknown nodes")  # lamp-01 has been registered since
    assert found.state is WARN
    assert found.detail == "1 send and are not registered: lamp-77"


def test_a_node_that_is_turned_away_is_named_for_a_day(platform: Platform) -> None:
    platform.admin.execute(
        "INSERT INTO refused_node (node_id, reason) VALUES ('lamp-01', 'ledger is full')"
    )
    found = platform.of("refused nodes")
    assert (found.state, found.detail) == (WARN, "1 today, lamp-01: ledger is full")
    platform.admin.execute("UPDATE refused_node SET last_at = now() - interval '25 hours'")
    assert platform.of("refused nodes").state is OK


# This machine


@pytest.mark.parametrize(("free", "state"), [(0.5, OK), (0.1, WARN), (0.01, FAILED)])
def test_a_disk_that_fills_up(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, free: float, state: State
) -> None:
    usage = SimpleNamespace(total=1e12, free=free * 1e12)
    monkeypatch.setattr(psutil, "disk_usage", lambda _: usage)
    assert machine.check_disk(platform.settings()).state is state


def test_a_disk_that_is_not_there(platform: Platform) -> None:
    found = machine.check_disk(platform.settings(data_dir="/nowhere/at/all"))
    assert (found.state, found.next_act) == (FAILED, "is it mounted? see data_dir")
    assert machine.check_disk(platform.settings(data_dir=None)).state is SKIPPED


@pytest.mark.parametrize(("answer", "state"), [(0, OK), (machine.TIME_ERROR, WARN), (-1, SKIPPED)])
def test_the_kernels_clock(monkeypatch: pytest.MonkeyPatch, answer: int, state: State) -> None:
    def adjtimex(timex: Any) -> int:
        timex.offset, timex.status, timex.maxerror = -1_500_000, machine.STA_NANO, 20_000
        return answer

    monkeypatch.setattr(machine, "_adjtimex", adjtimex)
    found = machine.check_clock()
    assert found.state is state
    assert state is not OK or "-1.500 ms off its source, at most 20 ms" in found.detail


def test_the_kernel_of_this_machine_can_be_asked() -> None:
    assert machine.check_clock().state in (OK, WARN, SKIPPED)


def test_a_database_whose_clock_is_off(platform: Platform) -> None:
    admin: psycopg.Connection[Any] = platform.admin
    assert machine.check_database_clock(admin).state is OK
    admin.execute("CREATE SCHEMA odd")
    admin.execute(
        "CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT pg_catalog.clock_timestamp() + interval '5 s' $$"
    )
    admin.execute("SET search_path = odd, pg_catalog")
    found = machine.check_database_clock(admin)
    assert found.state is WARN
    assert "+5" in found.detail
