"""A lab's authority on disk: made once, its root key locked with a passphrase and taken away.

`root.pem`, `root.key` (encrypted; belongs offline, with two custodians), `issuing.pem`,
`issuing.key` (the worker's alone).
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.identity import ca
from server.identity.ca import Credential, CredentialFiles, IdentityError, write_key

MIN_PASSPHRASE_CHARS = 12


@dataclass(frozen=True)
class AuthorityFiles:
    """Where an authority lies."""

    folder: Path

    @property
    def root(self) -> CredentialFiles:
        """What nodes pin, and the key that belongs offline."""
        return _pair(self.folder, "root")

    @property
    def issuing(self) -> CredentialFiles:
        """What signs from day to day."""
        return _pair(self.folder, "issuing")


def create_authority(folder: Path, name: str, passphrase: str) -> AuthorityFiles:
    """A root and an issuing authority below it, in a folder that has none.

    Raises:
        IdentityError: There is one already, or the passphrase is too short.
    """
    files = AuthorityFiles(folder)
    if files.root.certificate.exists():
        raise IdentityError(f"{folder} holds an authority already; it is made once")
    _check_passphrase(passphrase)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    root = ca.create_root(f"{name} root")
    write_key(files.root.key, root.key, passphrase)
    files.root.certificate.write_bytes(root.certificate_pem())
    _save_issuing(files, root, name)
    return files


def renew_issuing(files: AuthorityFiles, name: str, passphrase: str) -> Credential:
    """A new issuing authority by the same root, in the place of the old one.

    Raises:
        IdentityError: The root's key isn't there, or the passphrase is wrong.
    """
    return _save_issuing(files, _unlock_root(files, passphrase), name)


def _save_issuing(files: AuthorityFiles, root: Credential, name: str) -> Credential:
    issuing = ca.create_issuing(root, f"{name} issuing {_mark()}")
    write_key(files.issuing.key, issuing.key)
    files.issuing.certificate.write_bytes(issuing.certificate_pem())
    return issuing


def _mark() -> str:
    """Tells one issuing authority from the next: a list of the revoked is looked up by name."""
    return f"{x509.random_serial_number() & 0xFFFFFF:06x}"


def _unlock_root(files: AuthorityFiles, passphrase: str) -> Credential:
    try:
        certificate = x509.load_pem_x509_certificate(files.root.certificate.read_bytes())
        key = serialization.load_pem_private_key(
            files.root.key.read_bytes(), password=passphrase.encode()
        )
    except (OSError, ValueError, TypeError) as error:
        raise IdentityError(f"root key {files.root.key} can't be used: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"root key {files.root.key} isn't an elliptic-curve key")
    return Credential(certificate=certificate, key=key)


def _pair(folder: Path, stem: str) -> CredentialFiles:
    return CredentialFiles(certificate=folder / f"{stem}.pem", key=folder / f"{stem}.key")


def _check_passphrase(passphrase: str) -> None:
    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise IdentityError(
            f"the passphrase has {len(passphrase)} characters; {MIN_PASSPHRASE_CHARS} at least"
        )
