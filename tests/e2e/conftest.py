"""The server's processes beside a database of the test's own, and what tests ask of both."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from provisioning.localstack import Broker, ports
from server.demo.children import Children
from server.identity.ca import CredentialFiles
from tests.fixtures_stack import Database

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Server:
    """`msl ingest` and `msl serve`, running."""

    database: Database
    broker: Broker
    url: str
    children: Children

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database answers to a superuser."""
        with psycopg.connect(self.database.dsn) as conn:
            return conn.execute(query, parameters).fetchall()

    def register(self, node_id: str, *, simulated: bool) -> None:
        """A lab, a site in Madrid, and `node_id` standing there since 2020."""
        with psycopg.connect(self.database.dsn) as conn:
            conn.execute("INSERT INTO lab (lab_id, name) VALUES ('test-lab', 'Test lab')")
            conn.execute(
                "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
                " VALUES ('plaza', 'test-lab', 'Plaza', 'Europe/Madrid', 40.4, -3.7)"
            )
            conn.execute(
                "INSERT INTO node (node_id, lab_id, state, simulated, created_at)"
                " VALUES (%s, 'test-lab', 'commissioned', %s, '2020-01-01')",
                [node_id, simulated],
            )
            conn.execute(
                "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, 'plaza', %s)",
                [node_id, "2020-01-01"],
            )


@pytest.fixture
def server(
    database: Database,
    broker: Broker,
    client_certificate: Callable[[str], CredentialFiles],
    tmp_path: Path,
) -> Iterator[Server]:
    """Running until the test ends; logs in the test's folder."""
    certificate = client_certificate("srv-ingest")
    port = ports.free_port()
    common = {
        "MSL_BROKER_PORT": str(broker.port),
        "MSL_BROKER_CA_FILE": str(broker.ca_file),
        "MSL_BROKER_CERT_FILE": str(certificate.certificate),
        "MSL_BROKER_KEY_FILE": str(certificate.key),
        "MSL_INGEST_METRICS_PORT": str(ports.free_port()),
        "MSL_SERVE_METRICS_PORT": str(ports.free_port()),
        "MSL_SERVE_PORT": str(port),
    }
    with Children(tmp_path / "log") as children:
        children.start(
            "ingest",
            [str(BIN / "msl"), "ingest"],
            {**common, "MSL_DATABASE_DSN": database.dsn_as("msl_ingest")},
        )
        children.start(
            "serve",
            [str(BIN / "msl"), "serve"],
            {**common, "MSL_DATABASE_DSN": database.dsn_as("msl_api")},
        )
        yield Server(database, broker, f"http://127.0.0.1:{port}", children)
