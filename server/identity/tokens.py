"""One-use enrolment tokens: what a technician carries to a node, written in Crockford's base 32.

80 random bits in 16 characters without I, L, O and U, in groups of four; reading forgives case,
dashes, spaces, and O for 0, I or L for 1. The server keeps only the SHA-256.
"""

import hashlib
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 16
_FORGIVEN = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_token() -> str:
    """A random token as it is printed: `XXXX-XXXX-XXXX-XXXX`."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(text[at : at + 4] for at in range(0, LENGTH, 4))


def token_sha256(given: str) -> bytes:
    """What is kept of a token: 32 bytes; the same for every way of writing it."""
    plain = "".join(given.upper().translate(_FORGIVEN).split()).replace("-", "")
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()
