"""One local stack for the whole test run, and what tests need around it.

The stack starts with the first test that asks for it. Where it can't start, the run ends there
with one message: tests of the promise are never skipped.
"""

import itertools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from provisioning.localstack import Broker, BrokerTls, LocalStack, Postgres, StackError, sweep
from server.db.migrate import migrate
from server.identity import ca
from server.identity.ca import Credential, CredentialFiles

_ON_DISK = Path(__file__).parent.parent / ".local" / "tests"
# A fresh database is 500 files: 0.6 s on a disk of two busy cores, 0.05 s in memory.
_IN_MEMORY = Path("/dev/shm") / f"municipal-safety-lab-tests-{os.getuid()}"
_IN_MEMORY_NEEDS_BYTES = 4_000_000_000
_TEMPLATE = "migrated"
_names = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database of one test's own."""

    name: str
    postgres: Postgres

    @property
    def dsn(self) -> str:
        """As superuser."""
        return self.postgres.dsn(dbname=self.name)

    def dsn_as(self, role: str) -> str:
        """As one of the migrations' roles, such as `msl_ingest`, really logged in."""
        return self.postgres.dsn(user=role, dbname=self.name)


@pytest.fixture(scope="session")
def authority() -> Credential:
    """The test run's own root of trust."""
    return ca.create_root("Municipal Safety Lab test root")


@pytest.fixture(scope="session")
def certificate_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run's certificates are written."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="session")
def client_certificate(
    authority: Credential, certificate_dir: Path
) -> Callable[[str], CredentialFiles]:
    """`client_certificate("lamp-01")` or `("srv-ingest")`: files of a client certificate."""

    def issue(common_name: str) -> CredentialFiles:
        give = ca.issue_process if common_name.startswith("srv-") else ca.issue_node
        return give(authority, common_name).save(certificate_dir)

    return issue


@pytest.fixture(scope="session")
def stack(authority: Credential, certificate_dir: Path) -> Iterator[LocalStack]:
    """PostgreSQL and Mosquitto, started once for all tests that need them."""
    root = authority.save(certificate_dir)
    broker = ca.issue_server(authority, "broker").save(certificate_dir)
    tls = BrokerTls(ca_file=root.certificate, cert_file=broker.certificate, key_file=broker.key)
    stacks = _stacks_dir()
    sweep(stacks)
    # Several runs may share a checkout. No test cuts the power, and a SIGKILL loses nothing that
    # fsync, or a disk, would have kept.
    local = LocalStack(stacks / secrets.token_hex(4), tls=tls, fsync=False)
    try:
        local.__enter__()
    except StackError as error:
        pytest.exit(f"local stack can't start: {error}", returncode=1)
    yield local
    local.stop()


def _stacks_dir() -> Path:
    memory = _IN_MEMORY.parent
    if memory.is_dir() and shutil.disk_usage(memory).free > _IN_MEMORY_NEEDS_BYTES:
        return _IN_MEMORY
    return _ON_DISK


@pytest.fixture
def broker(stack: LocalStack) -> Broker:
    """The stack's broker, running, whatever an earlier test did to it."""
    if not stack.broker.running:
        stack.broker.start()
    return stack.broker


@pytest.fixture
def postgres(stack: LocalStack) -> Postgres:
    """The stack's database server, running, whatever an earlier test did to it."""
    if not stack.postgres.running:
        stack.postgres.start()
    return stack.postgres


@pytest.fixture(scope="session")
def migrated_template(stack: LocalStack) -> str:
    """Name of a database with all migrations applied, to be cloned."""
    dsn = stack.postgres.create_database(_TEMPLATE)
    migrate(dsn)
    with psycopg.connect(stack.postgres.dsn()) as conn:
        roles = conn.execute(r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'msl\_%'")
        stack.postgres.allow_login(*(name for (name,) in roles))
    stack.postgres.make_template(_TEMPLATE)
    return _TEMPLATE


@pytest.fixture
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    """A fresh, migrated, empty database."""
    yield from _database(postgres, migrated_template)


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[Database]:
    """A database without even the extension: for tests of the migrations themselves."""
    yield from _database(postgres, None)


def _database(postgres: Postgres, template: str | None) -> Iterator[Database]:
    name = f"test_{next(_names)}"
    postgres.create_database(name, template=template)
    yield Database(name=name, postgres=postgres)
    if not postgres.running:
        postgres.start()
    postgres.drop_database(name)
