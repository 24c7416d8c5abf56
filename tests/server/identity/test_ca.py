"""The certificate authority: who gets which name, and what a certificate says."""

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from server.identity import ca
from server.identity.ca import Credential, CredentialFiles, IdentityError

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def root() -> Credential:
    return ca.create_root("Municipal Safety Lab", now=NOW)


def _usage(issued: Credential) -> list[x509.ObjectIdentifier]:
    return list(issued.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


@pytest.mark.parametrize(
    "name", ["srv-ingest", "srv-api", "ab", "a" * 33, "Lamp", "a/b", "+", "a\n", ""]
)
def test_a_node_never_gets_a_name_that_is_not_a_nodes(root: Credential, name: str) -> None:
    with pytest.raises(IdentityError, match="can't name a node"):
        ca.issue_node(root, name)


@pytest.mark.parametrize("name", ["lamp-01", "srv-INGEST", "srv-a/b", "srv-+", "srv-a\n"])
def test_a_process_is_named_with_the_reserved_prefix(root: Credential, name: str) -> None:
    with pytest.raises(IdentityError, match="can't name a server process"):
        ca.issue_process(root, name)


def test_nodes_and_processes_are_clients_and_nothing_else(root: Credential) -> None:
    node, process = ca.issue_node(root, "lamp-01"), ca.issue_process(root, "srv-ingest-light")
    assert (node.common_name, process.common_name) == ("lamp-01", "srv-ingest-light")
    assert _usage(node) == _usage(process) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_server_certificate_verifies_for_its_hosts_alone(root: Credential) -> None:
    server = ca.issue_server(root, "broker", now=NOW)
    policy = PolicyBuilder().store(Store([root.certificate])).time(NOW)
    policy.build_server_verifier(x509.DNSName("localhost")).verify(server.certificate, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("example.org")).verify(server.certificate, [])


def test_a_server_needs_a_host(root: Credential) -> None:
    with pytest.raises(IdentityError, match="needs a host name"):
        ca.issue_server(root, "broker", hosts=[])


def test_a_node_certificate_can_not_issue_others(root: Credential) -> None:
    node = ca.issue_node(root, "lamp-01", now=NOW)
    forged = ca.issue_server(node, "broker", now=NOW)
    verifier = (
        PolicyBuilder()
        .store(Store([root.certificate]))
        .time(NOW)
        .build_server_verifier(x509.DNSName("localhost"))
    )
    with pytest.raises(VerificationError):
        verifier.verify(forged.certificate, [node.certificate])


def test_validity_begins_an_hour_early_and_lasts_90_days(root: Credential) -> None:
    issued = ca.issue_node(root, "lamp-01", now=NOW).certificate
    assert issued.not_valid_before_utc == NOW - dt.timedelta(hours=1)
    assert issued.not_valid_after_utc == NOW + dt.timedelta(days=90)


def test_two_certificates_share_neither_key_nor_serial(root: Credential) -> None:
    one, two = ca.issue_node(root, "lamp-01"), ca.issue_node(root, "lamp-01")
    assert one.certificate.serial_number != two.certificate.serial_number
    assert one.key.private_numbers() != two.key.private_numbers()
    assert isinstance(one.key.curve, ec.SECP256R1)


def test_saved_keys_are_for_their_owner_alone_and_load_again(
    root: Credential, tmp_path: Path
) -> None:
    (tmp_path / "lamp-01.key").write_text("older, and open to all")
    (tmp_path / "lamp-01.key").chmod(0o644)
    node = ca.issue_node(root, "lamp-01")
    files = node.save(tmp_path)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert ca.load(files).certificate == node.certificate


def test_a_missing_credential_is_named(tmp_path: Path) -> None:
    files = CredentialFiles(certificate=tmp_path / "gone.pem", key=tmp_path / "gone.key")
    with pytest.raises(IdentityError, match=r"gone\.pem can't be read"):
        ca.load(files)
