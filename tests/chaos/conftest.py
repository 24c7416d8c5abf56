"""A town: the local stack's broker and a fresh database, with a folder for spools and logs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.localstack import Broker
from server.identity.ca import CredentialFiles
from tests.chaos.harness import Town
from tests.fixtures_stack import Database
from tests.server.ingest.testlab import Wire


@pytest.fixture
def town(
    broker: Broker,
    database: Database,
    client_certificate: Callable[[str], CredentialFiles],
    tmp_path: Path,
) -> Town:
    return Town(broker, database, client_certificate, tmp_path)


@pytest.fixture
def wire() -> Wire:
    return Wire()
