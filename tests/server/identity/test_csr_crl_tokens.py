"""Certificate requests, the revocation list and enrolment tokens."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from server.identity import ca
from server.identity.ca import Credential, IdentityError
from server.identity.crl import CRL_LIFE, Revoked, crl_ends, render_crl
from server.identity.csr import MAX_CSR_BYTES, key_sha256, read_csr
from server.identity.tokens import ALPHABET, new_token, token_sha256

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def root() -> Credential:
    return ca.create_root("root", now=NOW)


@pytest.fixture(scope="module")
def issuing(root: Credential) -> Credential:
    return ca.create_issuing(root, "issuing 1", now=NOW)


def _csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "srv-ingest") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def _verify(root: Credential, server: x509.Certificate, chain: list[x509.Certificate]) -> None:
    policy = PolicyBuilder().store(Store([root.certificate])).time(NOW)
    policy.build_server_verifier(x509.DNSName("localhost")).verify(server, chain)


def test_a_request_gives_its_key_and_not_its_name(issuing: Credential) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = ca.sign_node(issuing, "lamp-01", read_csr(_csr(key, "srv-ingest")), now=NOW)
    assert certificate.subject.rfc4514_string() == "CN=lamp-01"
    assert certificate.public_key() == key.public_key()


def test_a_request_signed_with_another_key_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    good = x509.load_pem_x509_csr(_csr(key).encode())
    der = bytearray(good.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    try:
        bad = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    except ValueError:
        pytest.fail("the request must stay readable, or this test shows nothing")
    with pytest.raises(IdentityError, match="not signed with its own key"):
        read_csr(bad)


@pytest.mark.parametrize(
    "pem",
    ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"],
)
def test_what_is_no_request_is_said_to_be_none(pem: str) -> None:
    with pytest.raises(IdentityError, match="not a PEM certificate request"):
        read_csr(pem)


@pytest.mark.parametrize("kind", ["rsa", "p384"])
def test_another_kind_of_key_is_refused(kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else None
    with pytest.raises(IdentityError, match="another key than elliptic-curve P-256"):
        read_csr(_csr(key or ec.generate_private_key(ec.SECP384R1())))


def test_a_huge_request_is_not_even_read() -> None:
    with pytest.raises(IdentityError, match=f"{MAX_CSR_BYTES} at most"):
        read_csr("x" * (MAX_CSR_BYTES + 1))


def test_the_same_key_has_the_same_digest() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert key_sha256(read_csr(_csr(key, "a"))) == key_sha256(read_csr(_csr(key, "b")))
    assert key_sha256(key.public_key()) != key_sha256(
        ec.generate_private_key(ec.SECP256R1()).public_key()
    )


def test_what_the_issuing_authority_signs_verifies_by_the_root(
    root: Credential, issuing: Credential
) -> None:
    leaf = ca.issue_server(issuing, "broker", now=NOW).certificate
    _verify(root, leaf, [issuing.certificate])
    with pytest.raises(VerificationError):
        _verify(ca.create_root("else", now=NOW), leaf, [issuing.certificate])


def test_an_issuing_authority_makes_no_further_ones(root: Credential, issuing: Credential) -> None:
    third = ca.create_issuing(issuing, "issuing 2", now=NOW)
    leaf = ca.issue_server(third, "broker", now=NOW).certificate
    with pytest.raises(VerificationError):
        _verify(root, leaf, [third.certificate, issuing.certificate])


def test_nothing_outlives_who_vouches_for_it(root: Credential, issuing: Credential) -> None:
    late = issuing.certificate.not_valid_after_utc - dt.timedelta(days=3)
    leaf = ca.issue_node(issuing, "lamp-01", now=late).certificate
    assert leaf.not_valid_after_utc == issuing.certificate.not_valid_after_utc
    with pytest.raises(IdentityError, match="ended 2028-02-29; make a new one"):
        ca.issue_node(issuing, "lamp-01", now=late + dt.timedelta(days=4))


def test_a_list_names_the_revoked_and_ends_in_a_month(issuing: Credential) -> None:
    serial = ca.issue_node(issuing, "lamp-01", now=NOW).certificate.serial_number
    pem = render_crl(issuing, [Revoked(serial, NOW)], number=7, now=NOW)
    crl = x509.load_pem_x509_crl(pem)
    assert [entry.serial_number for entry in crl] == [serial]
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert crl_ends(pem) == NOW + CRL_LIFE
    public_key = issuing.key.public_key()
    assert crl.is_signature_valid(public_key)


def test_a_token_is_80_bits_and_reading_it_forgives_handwriting() -> None:
    token = new_token()
    assert len(token.replace("-", "")) == 16
    assert set(token.replace("-", "")) <= set(ALPHABET)
    assert token_sha256(token) == token_sha256(f" {token.lower().replace('-', ' ')} ")
    assert token_sha256("0011-2345") == token_sha256("oOiL2345")
    assert token_sha256(token) != token_sha256(new_token())
