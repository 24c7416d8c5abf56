"""A platform in good health, to be made ill."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contract.streams import Stream
from provisioning.localstack import Broker
from server.doctor.examine import examine
from server.doctor.finding import Finding
from server.identity.ca import CredentialFiles
from server.settings import Settings
from server.work.loop import LOCK_KEY
from tests.fixtures_stack import Database
from tests.server.api.pilot import Pilot

Issue = Callable[[str], CredentialFiles]


@dataclass
class Platform:
    """Settings as an operator would have them, and a superuser's connection."""

    values: dict[str, Any]
    admin: psycopg.Connection[Any]
    pilot: Pilot

    def settings(self, **changed: Any) -> Settings:
        return Settings(**(self.values | changed))

    def findings(self, **changed: Any) -> list[Finding]:
        return list(examine(self.settings(**changed)))

    def of(self, check: str, **changed: Any) -> Finding:
        """The one finding of a check."""
        (found,) = [f for f in self.findings(**changed) if f.check == check]
        return found


@pytest.fixture
def platform(
    database: Database, broker: Broker, client_certificate: Issue, tmp_path: Path
) -> Iterator[Platform]:
    probe = client_certificate("srv-probe")
    values = {
        "database_dsn": database.dsn_as("msl_api"),
        "broker_port": broker.port,
        "broker_ca_file": str(broker.ca_file),
        "probe_cert_file": str(probe.certificate),
        "probe_key_file": str(probe.key),
        "data_dir": str(tmp_path),
    }
    with (
        psycopg.connect(database.dsn, autocommit=True) as admin,
        psycopg.connect(database.dsn_as("msl_worker"), autocommit=True) as worker,
    ):
        worker.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        pilot = Pilot(admin)
        pilot.node("lamp-01")
        for stream in (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL, Stream.HEALTH):
            pilot.ledger("lamp-01", stream, "stored", 1, 10, at=datetime.now(UTC))
        yield Platform(values, admin, pilot)
