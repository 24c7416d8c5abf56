"""The list of revoked certificates (RFC 5280, section 5), which the broker reads when it starts.

An expired list locks every client out, so each is good for a month and made anew each day.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from server.identity.ca import BACKDATE, Credential

CRL_LIFE = dt.timedelta(days=30)
# Below this, something has stopped making it.
CRL_ALARM = dt.timedelta(days=7)


@dataclass(frozen=True)
class Revoked:
    """One certificate that must not be accepted any more."""

    serial: int
    at: dt.datetime


def render_crl(
    ca: Credential, revoked: Iterable[Revoked], number: int, *, now: dt.datetime | None = None
) -> bytes:
    """The authority's list as PEM; `number` must grow from one to the next."""
    start = now or dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(start - BACKDATE)
        .next_update(start + CRL_LIFE)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(entry.serial)
            .revocation_date(entry.at)
            .build()
        )
    crl = builder.sign(ca.key, hashes.SHA256())
    return crl.public_bytes(serialization.Encoding.PEM)


def crl_ends(pem: bytes) -> dt.datetime:
    """When a list stops being accepted; raises ValueError for what is no list."""
    ends = x509.load_pem_x509_crl(pem).next_update_utc
    if ends is None:
        raise ValueError("the list says no end")
    return ends
