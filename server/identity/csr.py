"""Certificate requests: what a node sends to get its name, and what is refused.

A request gives a public key and shows that the sender has the private one (PKCS #10, RFC 2986).
Nothing else in it counts: the name comes from the server, whatever the request asks for.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.identity.ca import IdentityError

# A P-256 request is 500 bytes.
MAX_CSR_BYTES = 4096


def read_csr(pem: str) -> ec.EllipticCurvePublicKey:
    """The public key of a request whose signature shows the private one.

    Raises:
        IdentityError: It is too long, no PEM request, not P-256, or not signed by its own key.
    """
    if len(pem) > MAX_CSR_BYTES:
        raise IdentityError(f"request has {len(pem)} characters; {MAX_CSR_BYTES} at most")
    try:
        csr = x509.load_pem_x509_csr(pem.encode("utf-8", "replace"))
        key = csr.public_key()
        signed = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise IdentityError("request is not a PEM certificate request (PKCS #10)") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IdentityError("request has another key than elliptic-curve P-256")
    if not signed:
        raise IdentityError("request is not signed with its own key")
    return key


def key_sha256(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 of the key as SubjectPublicKeyInfo: the same key, the same 32 bytes."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return digest.finalize()
