"""How a node gets its certificate: invited, asked for, approved by a person, signed by the worker.

Every function runs in the caller's transaction. A node repeats its request until it is answered, so
the same request twice is one request; the same token with another key is an alarm.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from server.errors import MslError
from server.identity.ca import IdentityError
from server.identity.csr import key_sha256, read_csr
from server.identity.tokens import new_token, token_sha256

TOKEN_LIFE = timedelta(days=14)
# A node that comes back from a store room may still renew for so long after its end.
RENEWAL_GRACE = timedelta(days=30)
MAX_BOARD_CHARS = 64

_KEY_USED = "this key was used before; a node makes a new one for each request"

Row = dict[str, Any]


class EnrolmentError(MslError):
    """A step that can't be taken; the message says why and what to do."""


@dataclass(frozen=True)
class Answer:
    """Where a request stands.

    Attributes:
        state: `pending`, `approved`, `refused`, `issued`, or `denied`: it was not even taken. A
            denial is an answer and no exception, so that the alarm that comes with it is kept.
        certificate: PEM, once it is issued.
        why: What a denied node may be told.
    """

    state: str
    certificate: str | None = None
    why: str | None = None


# Doesn't say which of the reasons it is: unknown, of another node, too old, used. A guesser learns
# nothing.
NO_TOKEN = Answer("denied", why="this token opens nothing; ask for a new one: msl node invite NODE")


def invite(conn: psycopg.Connection, node_id: str, actor: str, life: timedelta = TOKEN_LIFE) -> str:
    """A new one-use token for a node; tokens that it had before and didn't use end now.

    Raises:
        EnrolmentError: There is no such node, or it is retired.
    """
    row = conn.execute("SELECT state::text FROM node WHERE node_id = %s", [node_id]).fetchone()
    if row is None:
        raise EnrolmentError(f"no node {node_id!r}; enter it first: msl node add {node_id}")
    if row[0] == "retired":
        raise EnrolmentError(f"{node_id} is retired; a board in its place needs a name of its own")
    _end_tokens(conn, node_id)
    token = new_token()
    conn.execute(
        "INSERT INTO enrol_token (token_sha256, node_id, created_by, expires_at)"
        " VALUES (%s, %s, %s, now() + %s)",
        [token_sha256(token), node_id, actor, life],
    )
    return token


def request(
    conn: psycopg.Connection, node_id: str, token: str, csr: str, board: str | None
) -> Answer:
    """Take a node's first request, or say where it stands.

    Raises:
        IdentityError: The request itself is no good.
    """
    digest, key = token_sha256(token), key_sha256(read_csr(csr))
    found = _rows(
        conn,
        "SELECT node_id, used_at, expires_at > now() AS good FROM enrol_token"
        " WHERE token_sha256 = %s FOR UPDATE",
        digest,
    )
    if not found or found[0]["node_id"] != node_id:
        return NO_TOKEN
    if found[0]["used_at"] is not None:
        return _again(conn, node_id, digest, key)
    if not found[0]["good"]:
        return NO_TOKEN
    _refuse_known_key(conn, key)
    conn.execute("UPDATE enrol_token SET used_at = now() WHERE token_sha256 = %s", [digest])
    conn.execute(
        "INSERT INTO enrolment (node_id, kind, csr, key_sha256, board, token_sha256)"
        " VALUES (%s, 'first', %s, %s, %s, %s)",
        [node_id, csr, key, (board or "")[:MAX_BOARD_CHARS] or None, digest],
    )
    return Answer("pending")


def renew(conn: psycopg.Connection, node_id: str, serial: str, csr: str) -> Answer:
    """Take a renewal from a node that showed the certificate `serial` (mutual TLS).

    Raises:
        IdentityError: The request itself is no good.
    """
    key = key_sha256(read_csr(csr))
    found = _rows(
        conn,
        "SELECT revoked_at, not_after + %s > now() AS good FROM certificate"
        " WHERE serial = %s AND node_id = %s",
        RENEWAL_GRACE, serial, node_id,
    )  # fmt: skip
    if not found:
        return Answer("denied", why=f"certificate {serial} was not issued to {node_id} here")
    if found[0]["revoked_at"] is not None:
        _alarm(conn, node_id, "revoked_certificate", f"renewal with certificate {serial}")
        return Answer("denied", why=f"certificate {serial} is revoked")
    if not found[0]["good"]:
        ended = f"certificate {serial} ended over {RENEWAL_GRACE.days} days ago"
        return Answer("denied", why=f"{ended}; invite the node again")
    asked = _rows(conn, "SELECT * FROM enrolment WHERE key_sha256 = %s", key)
    if asked:
        if asked[0]["node_id"] != node_id:
            raise IdentityError(_KEY_USED)
        return _answer(conn, asked[0])
    conn.execute(
        "INSERT INTO enrolment (node_id, kind, csr, key_sha256, state, decided_by, decided_at)"
        " VALUES (%s, 'renewal', %s, %s, 'approved', %s, now())",
        [node_id, csr, key, f"certificate {serial}"],
    )
    return Answer("approved")


def decide(conn: psycopg.Connection, node_id: str, *, approve: bool, actor: str) -> Row:
    """Approve or refuse a node's pending request; raises `EnrolmentError` when there is none."""
    decided = _rows(
        conn,
        "UPDATE enrolment SET state = %s::enrolment_state, decided_by = %s, decided_at = now()"
        " WHERE node_id = %s AND state = 'pending' RETURNING *",
        "approved" if approve else "refused", actor, node_id,
    )  # fmt: skip
    if not decided:
        raise EnrolmentError(f"{node_id} has no request that waits; see msl node requests")
    conn.execute("SELECT pg_notify('msl_work', 'enrolment')")
    return decided[0]


def pending(conn: psycopg.Connection) -> list[Row]:
    """Requests that wait for a person, the oldest first."""
    return _rows(
        conn,
        "SELECT node_id, board, key_sha256, requested_at FROM enrolment"
        " WHERE state = 'pending' ORDER BY requested_at",
    )


def revoke(conn: psycopg.Connection, node_id: str, why: str) -> int:
    """Revoke all of a node's certificates and refuse what it asked for; return how many."""
    conn.execute(
        "UPDATE enrolment SET state = 'refused', decided_by = %s, decided_at = now()"
        " WHERE node_id = %s AND state IN ('pending', 'approved')",
        [why[:200], node_id],
    )
    _end_tokens(conn, node_id)
    revoked = conn.execute(
        "UPDATE certificate SET revoked_at = now(), revoked_why = %s"
        " WHERE node_id = %s AND revoked_at IS NULL",
        [why, node_id],
    ).rowcount
    conn.execute("SELECT pg_notify('msl_work', 'revoked')")
    return revoked


def certificates(conn: psycopg.Connection, node_id: str | None = None) -> list[Row]:
    """Certificates issued, without the certificates themselves, the newest first."""
    return _rows(
        conn,
        "SELECT serial, node_id, not_before, not_after, revoked_at, revoked_why FROM certificate"
        " WHERE %s::text IS NULL OR node_id = %s ORDER BY node_id, not_after DESC",
        node_id, node_id,
    )  # fmt: skip


def alarms(conn: psycopg.Connection) -> list[Row]:
    """What should not have happened and nobody has looked at yet."""
    return _rows(
        conn,
        "SELECT alarm_id, at, node_id, kind, detail FROM identity_alarm"
        " WHERE seen_at IS NULL ORDER BY at",
    )


def _again(conn: psycopg.Connection, node_id: str, digest: bytes, key: bytes) -> Answer:
    """A used token: the same node asking again, or somebody else."""
    (asked,) = _rows(conn, "SELECT * FROM enrolment WHERE token_sha256 = %s", digest)
    if asked["key_sha256"] == key:
        return _answer(conn, asked)
    _alarm(conn, node_id, "token_used_twice", f"another key: {key.hex()[:16]}")
    return NO_TOKEN


def _answer(conn: psycopg.Connection, asked: Row) -> Answer:
    if asked["state"] != "issued":
        return Answer(asked["state"])
    row = conn.execute(
        "SELECT pem FROM certificate WHERE enrolment_id = %s", [asked["enrolment_id"]]
    ).fetchone()
    return Answer("issued", row[0] if row else None)


def _end_tokens(conn: psycopg.Connection, node_id: str) -> None:
    conn.execute(
        "UPDATE enrol_token SET expires_at = greatest(now(), created_at + interval '1 ms')"
        " WHERE node_id = %s AND used_at IS NULL AND expires_at > now()",
        [node_id],
    )


def _refuse_known_key(conn: psycopg.Connection, key: bytes) -> None:
    if _rows(conn, "SELECT 1 FROM enrolment WHERE key_sha256 = %s", key):
        raise IdentityError(_KEY_USED)


def _alarm(conn: psycopg.Connection, node_id: str, kind: str, detail: str) -> None:
    conn.execute(
        "INSERT INTO identity_alarm (node_id, kind, detail) VALUES (%s, %s, %s)",
        [node_id, kind, detail],
    )


def _rows(conn: psycopg.Connection, query: str, *values: object) -> list[Row]:
    return conn.cursor(row_factory=dict_row).execute(query, values).fetchall()
