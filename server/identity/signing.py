"""What the worker does with the issuing key: sign what was approved, and keep the revocation list.

Only this process reads the key. It signs for node ids that the registry has and for nothing else.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives import serialization

from server.identity import ca
from server.identity.ca import Credential
from server.identity.crl import CRL_LIFE, Revoked, crl_ends, render_crl
from server.identity.csr import read_csr

log = logging.getLogger("msl.identity")

_APPROVED = """
SELECT enrolment_id, node_id, csr FROM enrolment WHERE state = 'approved'
ORDER BY enrolment_id FOR UPDATE SKIP LOCKED
"""
_ISSUED = """
INSERT INTO certificate (serial, node_id, enrolment_id, pem, not_before, not_after)
VALUES (%s, %s, %s, %s, %s, %s)
"""


def sign_approved(conn: psycopg.Connection, authority: Credential) -> int:
    """Sign every approved request and return how many."""
    with conn.transaction():
        approved = conn.execute(_APPROVED).fetchall()
        for enrolment_id, node_id, csr in approved:
            _sign(conn, authority, enrolment_id, node_id, csr)
    return len(approved)


def _sign(
    conn: psycopg.Connection, authority: Credential, enrolment_id: int, node_id: str, csr: str
) -> None:
    certificate = ca.sign_node(authority, node_id, read_csr(csr))
    # The node sends its chain: the broker then needs to know the root alone.
    pem = certificate.public_bytes(serialization.Encoding.PEM) + authority.certificate_pem()
    conn.execute(
        _ISSUED,
        [
            f"{certificate.serial_number:x}",
            node_id,
            enrolment_id,
            pem.decode(),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        ],
    )
    conn.execute("UPDATE enrolment SET state = 'issued' WHERE enrolment_id = %s", [enrolment_id])
    conn.execute(
        "UPDATE node SET state = 'enrolled' WHERE node_id = %s AND state = 'created'", [node_id]
    )
    log.info("signed %s until %s", node_id, f"{certificate.not_valid_after_utc:%Y-%m-%d}")


def write_crl(conn: psycopg.Connection, authority: Credential, file: Path) -> int:
    """Write the revocation list anew and return how many certificates it names.

    Certificates that have ended are left out: nobody accepts them anyway.
    """
    rows = conn.execute(
        "SELECT serial, revoked_at FROM certificate WHERE revoked_at IS NOT NULL"
        " AND not_after > now() ORDER BY revoked_at, serial"
    ).fetchall()
    (number,) = conn.execute("SELECT nextval('crl_number')").fetchone() or (1,)
    revoked = [Revoked(int(serial, 16), at) for serial, at in rows]
    _replace(file, render_crl(authority, revoked, number, now=datetime.now(UTC)))
    return len(revoked)


def keep_crl(conn: psycopg.Connection, authority: Credential, file: Path) -> int:
    """Write the list if it is a day old, or a certificate was revoked since; return 0 or 1."""
    written_at = _written_at(file)
    (due,) = conn.execute(
        "SELECT %(at)s::timestamptz IS NULL OR %(at)s < now() - interval '1 day'"
        " OR EXISTS (SELECT FROM certificate WHERE revoked_at >= %(at)s)",
        {"at": written_at},
    ).fetchone() or (True,)
    if due:
        named = write_crl(conn, authority, file)
        log.info("revocation list written: %d certificates", named)
    return int(due)


def _written_at(file: Path) -> datetime | None:
    try:
        return crl_ends(file.read_bytes()) - CRL_LIFE
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.warning("revocation list %s is written anew: %s", file, error)
        return None


def _replace(file: Path, data: bytes) -> None:
    """Whoever reads the file sees the old list or the new one, never half of either."""
    beside = file.with_name(f".{file.name}.new")
    with beside.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    beside.chmod(0o644)
    beside.replace(file)
