"""A small certificate authority: a root, an issuing one below it, and whom they vouch for.

The root is kept offline and signs issuing authorities; those sign nodes, processes and servers, and
can be replaced without touching a node, because nodes pin the root.

The broker takes a client certificate's common name as user name and as client id, so this file
decides who anybody can be: names are the contract's, and the prefix `srv-` is given only to
those who ask for a server process by name.

Profile: ECDSA P-256 with SHA-256 (what a Raspberry Pi signs in milliseconds), RFC 5280 basic
constraints, key usage, extended key usage and key identifiers, serial numbers at random.
"""

import datetime as dt
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contract.ids import NODE_ID_PATTERN, is_node_id, is_server_id
from server.errors import MslError

ROOT_LIFE = dt.timedelta(days=3650)
ISSUING_LIFE = dt.timedelta(days=730)
# Nodes renew from two thirds of this on.
CERTIFICATE_LIFE = dt.timedelta(days=90)
# A node without a clock battery starts late; a server whose clock is a little ahead must not
# hand out certificates that aren't valid yet.
BACKDATE = dt.timedelta(hours=1)

_FOLDER_MODE = 0o700
_KEY_MODE = 0o600


class IdentityError(MslError):
    """A certificate was asked for that this authority doesn't give."""


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def common_name(self) -> str:
        """The name it speaks for."""
        value = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert isinstance(value, str)
        return value

    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def save(self, folder: Path) -> "CredentialFiles":
        """Write `<common name>.pem` and `.key` (0600) into `folder` and return their paths."""
        folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        stem = re.sub(r"[^A-Za-z0-9.-]+", "-", self.common_name)
        files = CredentialFiles(certificate=folder / f"{stem}.pem", key=folder / f"{stem}.key")
        write_key(files.key, self.key)
        _write(files.certificate, self.certificate_pem(), mode=0o644)
        return files


@dataclass(frozen=True, kw_only=True)
class CredentialFiles:
    """Where a certificate and its key were written."""

    certificate: Path
    key: Path


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: str | None = None) -> Path:
    """Write a private key as PKCS #8 PEM (0600), locked with the passphrase if there is one."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        lock = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    _write(path, pem, mode=_KEY_MODE)
    return path


def load(files: CredentialFiles) -> Credential:
    """Read back what `Credential.save` wrote.

    Raises:
        IdentityError: a file is missing or isn't what it should be.
    """
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise IdentityError(f"credential {files.certificate} can't be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"key {files.key} isn't an elliptic-curve key")
    return Credential(certificate=certificate, key=key)


def create_root(common_name: str, *, now: dt.datetime | None = None) -> Credential:
    """A new self-signed root that may sign issuing authorities, and they no further ones."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = _builder(name, name, key.public_key(), now, ROOT_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return Credential(certificate=builder.sign(key, hashes.SHA256()), key=key)


def create_issuing(
    root: Credential, common_name: str, *, now: dt.datetime | None = None
) -> Credential:
    """An authority below `root` that signs nodes, processes and servers, and no authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    life = _life_under(root, ISSUING_LIFE, now)
    builder = _builder(_name(common_name), root.certificate.subject, key.public_key(), now, life)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    builder = builder.add_extension(authority, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return Credential(certificate=builder.sign(root.key, hashes.SHA256()), key=key)


def issue_node(ca: Credential, node_id: str, *, now: dt.datetime | None = None) -> Credential:
    """A client certificate for a node.

    Raises:
        IdentityError: `node_id` isn't a node's name (`srv-` names belong to server processes).
    """
    _check_node_id(node_id)
    return _issue(ca, node_id, usage=ExtendedKeyUsageOID.CLIENT_AUTH, now=now)


def sign_node(
    ca: Credential,
    node_id: str,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: dt.datetime | None = None,
) -> x509.Certificate:
    """A node's client certificate for a key that was born on the node.

    Raises:
        IdentityError: `node_id` isn't a node's name.
    """
    _check_node_id(node_id)
    return _certificate(ca, node_id, public_key, usage=ExtendedKeyUsageOID.CLIENT_AUTH, now=now)


def issue_process(ca: Credential, name: str, *, now: dt.datetime | None = None) -> Credential:
    """A client certificate for a server process, such as `srv-ingest-light`.

    Raises:
        IdentityError: `name` doesn't start with `srv-` or has other characters than a node id.
    """
    if not (is_server_id(name) and re.fullmatch(NODE_ID_PATTERN.strip("^$"), name)):
        raise IdentityError(f"{name!r} can't name a server process: srv- and {NODE_ID_PATTERN}")
    return _issue(ca, name, usage=ExtendedKeyUsageOID.CLIENT_AUTH, now=now)


def issue_server(
    ca: Credential,
    common_name: str,
    *,
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    now: dt.datetime | None = None,
) -> Credential:
    """A server's certificate (broker, web) for the given host names and addresses.

    Raises:
        IdentityError: there is no host, so no client could accept it.
    """
    if not hosts:
        raise IdentityError(f"server certificate {common_name!r} needs a host name or address")
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return _issue(ca, common_name, usage=ExtendedKeyUsageOID.SERVER_AUTH, names=names, now=now)


def _check_node_id(node_id: str) -> None:
    if not is_node_id(node_id):
        raise IdentityError(
            f"{node_id!r} can't name a node: {NODE_ID_PATTERN} without the prefix srv-"
        )


def _issue(
    ca: Credential,
    common_name: str,
    *,
    usage: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None = None,
    now: dt.datetime | None,
) -> Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(ca, common_name, key.public_key(), usage=usage, names=names, now=now)
    return Credential(certificate=certificate, key=key)


def _certificate(
    ca: Credential,
    common_name: str,
    public_key: ec.EllipticCurvePublicKey,
    *,
    usage: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None = None,
    now: dt.datetime | None,
) -> x509.Certificate:
    life = _life_under(ca, CERTIFICATE_LIFE, now)
    builder = _builder(_name(common_name), ca.certificate.subject, public_key, now, life)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = builder.add_extension(authority, critical=False)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def _life_under(ca: Credential, life: dt.timedelta, now: dt.datetime | None) -> dt.timedelta:
    """`life`, or what is left of the authority's own: nothing outlives who vouches for it."""
    ends = ca.certificate.not_valid_after_utc
    left = ends - (now or dt.datetime.now(dt.UTC))
    if left <= dt.timedelta(0):
        raise IdentityError(f"authority {ca.common_name!r} ended {ends:%Y-%m-%d}; make a new one")
    return min(life, left)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: dt.datetime | None,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    start = now or dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATE)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that never had a wider mode than `mode`, not even for a moment."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
