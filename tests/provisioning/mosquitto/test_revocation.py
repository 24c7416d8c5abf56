"""Whom the broker lets in when nodes are signed by an issuing authority and can be revoked."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.streams import Stream
from contract.topics import up
from provisioning.localstack import Broker, BrokerTls, LocalStack
from server.identity import ca
from server.identity.ca import Credential, CredentialFiles
from server.identity.crl import CRL_LIFE, Revoked, render_crl
from tests.provisioning.mosquitto.conftest import Session
from tests.provisioning.mosquitto.test_access import NOBODY_LISTENS, assert_turned_away

pytestmark = pytest.mark.mqtt


class City:
    """A root, an issuing authority, and the list of who is revoked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = ca.create_root("City root")
        self.issuing = ca.create_issuing(self.root, "City issuing")
        self.crl_file = folder / "crl.pem"
        self._number = 0
        self.revoke()

    def revoke(self, *serials: int, now: dt.datetime | None = None) -> None:
        """Write the list anew."""
        self._number += 1
        revoked = [Revoked(serial, dt.datetime.now(dt.UTC)) for serial in serials]
        self.crl_file.write_bytes(render_crl(self.issuing, revoked, self._number, now=now))

    def save(self, issued: Credential) -> CredentialFiles:
        """With the chain, as an enrolled node has it."""
        files = issued.save(self._folder)
        files.certificate.write_bytes(issued.certificate_pem() + self.issuing.certificate_pem())
        return files

    def tls(self) -> BrokerTls:
        """What a broker of this city is given: it trusts the root alone."""
        root = self._folder / "root.pem"
        root.write_bytes(self.root.certificate_pem())
        files = self.save(ca.issue_server(self.issuing, "broker"))
        return BrokerTls(
            ca_file=root, cert_file=files.certificate, key_file=files.key, crl_file=self.crl_file
        )


@pytest.fixture
def city(tmp_path: Path) -> City:
    return City(tmp_path)


@pytest.fixture
def guarded(stack: LocalStack, city: City) -> Iterator[Broker]:
    """A second broker, which reads a revocation list."""
    folder = stack.broker.folder.with_name("guarded")
    folder.mkdir(exist_ok=True)
    broker = Broker(
        sandbox=stack.broker.sandbox,
        folder=folder,
        lock_fd=stack.broker.lock_fd,
        tls=city.tls(),
    )
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def connect(guarded: Broker) -> Iterator[Callable[[CredentialFiles, str], Session]]:
    sessions: list[Session] = []

    def connected(files: CredentialFiles, name: str) -> Session:
        session = Session(guarded, files, name)
        sessions.append(session)
        reason, _ = session.connect()
        assert not reason.is_failure, reason
        return session

    yield connected
    for session in sessions:
        session.close()


Connect = Callable[[CredentialFiles, str], Session]


def test_a_node_of_the_issuing_authority_is_let_in_by_the_root(
    city: City, connect: Connect
) -> None:
    files = city.save(ca.issue_node(city.issuing, "lamp-01"))
    assert connect(files, "lamp-01").publish(up("lamp-01", Stream.LIGHT)) == NOBODY_LISTENS


def test_a_revoked_node_keeps_its_session_until_the_restart_and_is_then_shut_out(
    city: City, guarded: Broker, connect: Connect
) -> None:
    stolen, good = (ca.issue_node(city.issuing, name) for name in ("lamp-01", "lamp-02"))
    files, good_files = city.save(stolen), city.save(good)
    session = connect(files, "lamp-01")
    city.revoke(stolen.certificate.serial_number)
    # Why ingest must drop it at once: the broker knows nothing yet.
    assert session.publish(up("lamp-01", Stream.LIGHT)) == NOBODY_LISTENS
    session.close()
    guarded.stop()
    guarded.start()
    assert_turned_away(Session(guarded, files, "lamp-01"))
    assert connect(good_files, "lamp-02").publish(up("lamp-02", Stream.LIGHT)) == NOBODY_LISTENS


def test_an_expired_list_shuts_everybody_out(city: City, guarded: Broker) -> None:
    files = city.save(ca.issue_node(city.issuing, "lamp-01"))
    city.revoke(now=dt.datetime.now(dt.UTC) - CRL_LIFE - dt.timedelta(days=1))
    guarded.stop()
    guarded.start()
    # Why the worker makes it anew each day and the doctor looks at its end.
    assert_turned_away(Session(guarded, files, "lamp-01"))
