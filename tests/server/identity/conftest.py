"""An authority on disk, a node that asks, and the listener on a real TLS socket."""

import datetime as dt
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from server.cli import app
from server.identity import ca
from server.identity.authority import AuthorityFiles, create_authority
from server.identity.ca import Credential
from server.identity.listener import create_node_app, server_config
from tests.fixtures_stack import Database

PASSPHRASE = "correct horse battery"
Msl = Callable[..., Result]


def make_csr(key: ec.EllipticCurvePrivateKey, name: str = "whatever") -> str:
    """A request as a node makes it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def authority_files(tmp_path_factory: pytest.TempPathFactory) -> AuthorityFiles:
    return create_authority(tmp_path_factory.mktemp("ca"), "Test city", PASSPHRASE)


@pytest.fixture(scope="session")
def issuing(authority_files: AuthorityFiles) -> Credential:
    return ca.load(authority_files.issuing)


@pytest.fixture
def api(database: Database) -> Iterator[psycopg.Connection]:
    """As the role of the API, with one node entered."""
    with psycopg.connect(database.dsn_as("msl_api"), autocommit=True) as conn:
        conn.execute("INSERT INTO lab (lab_id, name) VALUES ('nord', 'Lab Nord')")
        conn.execute("INSERT INTO node (node_id, lab_id) VALUES ('lamp-01', 'nord')")
        conn.execute("INSERT INTO node (node_id, lab_id) VALUES ('lamp-02', 'nord')")
        yield conn


@pytest.fixture
def worker(database: Database) -> Iterator[psycopg.Connection]:
    """As the role that has the issuing key."""
    with psycopg.connect(database.dsn_as("msl_worker"), autocommit=True) as conn:
        yield conn


@pytest.fixture
def msl(database: Database, tmp_path: Path) -> Msl:
    """`msl("node", "invite", "lamp-01")`, as a user would."""
    settings = tmp_path / "server.toml"
    settings.write_text(f'database_dsn = "{database.dsn_as("msl_api")}"\n')

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--settings", str(settings)])

    return run


class Listener:
    """Where the listener is, and clients of it."""

    def __init__(self, port: int, root: Path) -> None:
        self.url = f"https://localhost:{port}"
        self._root = root

    def client(self, credential: tuple[Path, Path] | None = None) -> httpx.Client:
        """A client that trusts the root and shows a certificate, if it has one."""
        context = ssl.create_default_context(cafile=str(self._root))
        if credential is not None:
            context.load_cert_chain(*credential)
        return httpx.Client(base_url=self.url, verify=context, timeout=30)


@pytest.fixture
def listener(
    database: Database, authority_files: AuthorityFiles, issuing: Credential, tmp_path: Path
) -> Iterator[Listener]:
    """`msl enrol` in a thread, without a limit that tests would meet."""
    root = authority_files.root.certificate
    server = ca.issue_server(issuing, "enrol", now=dt.datetime.now(dt.UTC))
    files = server.save(tmp_path)
    files.certificate.write_bytes(server.certificate_pem() + issuing.certificate_pem())
    application = create_node_app(database.dsn_as("msl_api"), root.read_text(), per_minute=1000)
    config = server_config(
        application, "127.0.0.1", 0,
        cert_file=files.certificate, key_file=files.key, ca_file=root,
    )  # fmt: skip
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until_s = time.monotonic() + 60
    while not running.started:
        assert thread.is_alive(), "the listener did not start"
        assert time.monotonic() < until_s, "the listener did not start within 60 s"
        time.sleep(0.02)
    yield Listener(running.servers[0].sockets[0].getsockname()[1], root)
    running.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
