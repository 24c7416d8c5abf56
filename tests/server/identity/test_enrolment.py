"""From an invitation to a certificate, and what nobody gets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509

from server.identity import enrolment
from server.identity.ca import Credential, IdentityError
from server.identity.crl import crl_ends
from server.identity.enrolment import EnrolmentError
from server.identity.signing import keep_crl, sign_approved
from tests.server.identity.conftest import make_csr, new_key

pytestmark = pytest.mark.db


def _state(conn: psycopg.Connection, node_id: str) -> str:
    row = conn.execute("SELECT state::text FROM node WHERE node_id = %s", [node_id]).fetchone()
    assert row is not None
    return str(row[0])


def _enrolled(
    api: psycopg.Connection, worker: psycopg.Connection, issuing: Credential, node_id: str
) -> str:
    """The serial of a certificate that a node got the ordinary way."""
    token, csr = enrolment.invite(api, node_id, "tech"), make_csr(new_key())
    assert enrolment.request(api, node_id, token, csr, None).state == "pending"
    enrolment.decide(api, node_id, approve=True, actor="tech")
    sign_approved(worker, issuing)
    return str(enrolment.certificates(api, node_id)[0]["serial"])


def test_a_node_gets_the_name_that_the_server_decides(
    api: psycopg.Connection, worker: psycopg.Connection, issuing: Credential
) -> None:
    token, key = enrolment.invite(api, "lamp-01", "tech"), new_key()
    csr = make_csr(key, "srv-ingest")
    assert enrolment.request(api, "lamp-01", token, csr, "10000000abcd").state == "pending"
    assert sign_approved(worker, issuing) == 0
    assert [row["board"] for row in enrolment.pending(api)] == ["10000000abcd"]
    enrolment.decide(api, "lamp-01", approve=True, actor="tech")
    assert enrolment.request(api, "lamp-01", token, csr, None).state == "approved"
    assert sign_approved(worker, issuing) == 1
    answer = enrolment.request(api, "lamp-01", token, csr, None)
    leaf, signer = x509.load_pem_x509_certificates((answer.certificate or "").encode())
    assert leaf.subject.rfc4514_string() == "CN=lamp-01"
    assert leaf.public_key() == key.public_key()
    leaf.verify_directly_issued_by(signer)
    assert signer == issuing.certificate
    assert _state(api, "lamp-01") == "enrolled"


def test_a_token_opens_only_its_own_node(api: psycopg.Connection) -> None:
    token = enrolment.invite(api, "lamp-01", "tech")
    assert enrolment.request(api, "lamp-02", token, make_csr(new_key()), None).state == "denied"
    assert enrolment.request(api, "lamp-01", "0" * 16, make_csr(new_key()), None).state == "denied"
    assert enrolment.pending(api) == []


def test_the_second_use_of_a_token_raises_an_alarm_and_gives_nothing(
    api: psycopg.Connection,
) -> None:
    token = enrolment.invite(api, "lamp-01", "tech")
    assert enrolment.request(api, "lamp-01", token, make_csr(new_key()), None).state == "pending"
    again = enrolment.request(api, "lamp-01", token, make_csr(new_key()), None)
    assert (again.state, again.certificate) == ("denied", None)
    assert [(a["node_id"], a["kind"]) for a in enrolment.alarms(api)] == [
        ("lamp-01", "token_used_twice")
    ]


def test_a_new_invitation_ends_the_old_one(api: psycopg.Connection) -> None:
    old, new = (enrolment.invite(api, "lamp-01", "tech") for _ in range(2))
    assert enrolment.request(api, "lamp-01", old, make_csr(new_key()), None).state == "denied"
    assert enrolment.request(api, "lamp-01", new, make_csr(new_key()), None).state == "pending"


def test_a_token_too_old_opens_nothing(api: psycopg.Connection) -> None:
    token = enrolment.invite(api, "lamp-01", "tech", timedelta(microseconds=1))
    assert enrolment.request(api, "lamp-01", token, make_csr(new_key()), None).state == "denied"


def test_nobody_gets_a_certificate_for_a_key_that_was_seen(api: psycopg.Connection) -> None:
    key = new_key()
    first = enrolment.invite(api, "lamp-01", "tech")
    enrolment.request(api, "lamp-01", first, make_csr(key), None)
    second = enrolment.invite(api, "lamp-02", "tech")
    with pytest.raises(IdentityError, match="used before"):
        enrolment.request(api, "lamp-02", second, make_csr(key), None)


def test_a_refused_request_stays_refused(
    api: psycopg.Connection, worker: psycopg.Connection, issuing: Credential
) -> None:
    token, csr = enrolment.invite(api, "lamp-01", "tech"), make_csr(new_key())
    enrolment.request(api, "lamp-01", token, csr, None)
    enrolment.decide(api, "lamp-01", approve=False, actor="tech")
    assert sign_approved(worker, issuing) == 0
    assert enrolment.request(api, "lamp-01", token, csr, None).state == "refused"
    with pytest.raises(EnrolmentError, match="no request that waits"):
        enrolment.decide(api, "lamp-01", approve=True, actor="tech")


def test_a_renewal_needs_no_person_and_a_fresh_key(
    api: psycopg.Connection, worker: psycopg.Connection, issuing: Credential
) -> None:
    serial, csr = _enrolled(api, worker, issuing, "lamp-01"), make_csr(new_key())
    assert enrolment.renew(api, "lamp-01", serial, csr).state == "approved"
    assert sign_approved(worker, issuing) == 1
    assert enrolment.renew(api, "lamp-01", serial, csr).state == "issued"
    assert len(enrolment.certificates(api, "lamp-01")) == 2
    assert enrolment.renew(api, "lamp-02", serial, make_csr(new_key())).state == "denied"


def test_a_revoked_node_neither_renews_nor_is_forgotten(
    api: psycopg.Connection, worker: psycopg.Connection, issuing: Credential, tmp_path: Path
) -> None:
    serial, crl = _enrolled(api, worker, issuing, "lamp-01"), tmp_path / "crl.pem"
    assert keep_crl(worker, issuing, crl) == 1
    assert keep_crl(worker, issuing, crl) == 0
    assert list(x509.load_pem_x509_crl(crl.read_bytes())) == []
    assert enrolment.revoke(api, "lamp-01", "stolen") == 1
    denied = enrolment.renew(api, "lamp-01", serial, make_csr(new_key()))
    assert (denied.state, denied.why) == ("denied", f"certificate {serial} is revoked")
    assert [a["kind"] for a in enrolment.alarms(api)] == ["revoked_certificate"]
    assert keep_crl(worker, issuing, crl) == 1
    assert [f"{e.serial_number:x}" for e in x509.load_pem_x509_crl(crl.read_bytes())] == [serial]


def test_a_garbled_list_is_written_anew(
    worker: psycopg.Connection, issuing: Credential, tmp_path: Path
) -> None:
    crl = tmp_path / "crl.pem"
    crl.write_text("garbage")
    assert keep_crl(worker, issuing, crl) == 1
    assert crl_ends(crl.read_bytes()) > datetime.now(UTC) + timedelta(days=29)


def test_the_api_can_not_sign_and_the_worker_can_not_ask(
    api: psycopg.Connection, worker: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("INSERT INTO certificate (serial) VALUES ('1')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("UPDATE enrolment SET csr = 'x'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker.execute("INSERT INTO enrolment (node_id) VALUES ('lamp-01')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker.execute("UPDATE certificate SET revoked_at = NULL")
