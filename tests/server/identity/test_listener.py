"""Enrolment and renewal over real TLS."""

from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization

from server.identity import enrolment
from server.identity.authority import AuthorityFiles
from server.identity.ca import Credential, write_key
from server.identity.rate_limit import RateLimit
from server.identity.signing import sign_approved
from tests.server.identity.conftest import Listener, make_csr, new_key

pytestmark = pytest.mark.db


def test_a_node_enrols_and_renews(
    listener: Listener,
    api: psycopg.Connection,
    worker: psycopg.Connection,
    issuing: Credential,
    authority_files: AuthorityFiles,
    tmp_path: Path,
) -> None:
    key = new_key()
    body = {
        "node_id": "lamp-01",
        "token": enrolment.invite(api, "lamp-01", "tech"),
        "csr": make_csr(key),
        "board": "10000000abcd",
    }
    with listener.client() as client:
        first = client.post("/api/v1/enrol", json=body)
        assert (first.status_code, first.json()) == (202, {"state": "pending"})
        assert first.headers["retry-after"] == "15"
        enrolment.decide(api, "lamp-01", approve=True, actor="tech")
        sign_approved(worker, issuing)
        issued = client.post("/api/v1/enrol", json=body)
        assert issued.status_code == 200
        assert issued.json()["roots"] == authority_files.root.certificate.read_text()
        nobody = client.post("/api/v1/renew", json={"csr": make_csr(new_key())})
        assert nobody.status_code == 403
        assert nobody.json()["error"]["code"] == "no_certificate"
    chain = tmp_path / "lamp-01.pem"
    chain.write_text(issued.json()["certificate"])
    key_file = write_key(tmp_path / "lamp-01.key", key)
    renewal = {"csr": make_csr(new_key())}
    with listener.client((chain, key_file)) as client:
        assert client.post("/api/v1/renew", json=renewal).status_code == 202
        sign_approved(worker, issuing)
        assert client.post("/api/v1/renew", json=renewal).json()["state"] == "issued"
        enrolment.revoke(api, "lamp-01", "stolen")
        assert client.post("/api/v1/renew", json=renewal).status_code == 403


def test_abuse_gains_nothing(listener: Listener, api: psycopg.Connection) -> None:
    token = enrolment.invite(api, "lamp-01", "tech")
    good = {"node_id": "lamp-01", "token": token, "csr": make_csr(new_key())}
    bad: list[tuple[dict[str, object], int]] = [
        ({**good, "token": "0" * 16}, 403),
        ({**good, "node_id": "lamp-02"}, 403),
        ({**good, "node_id": "srv-ingest"}, 403),
        ({**good, "node_id": "../etc"}, 400),
        ({**good, "csr": "nonsense"}, 400),
        ({**good, "csr": "x" * 5000}, 400),
        ({**good, "token": "x" * 65}, 400),
        ({"node_id": "lamp-01"}, 400),
        ({**good, "csr": make_csr(new_key()) + "\x00"}, 400),
    ]
    with listener.client() as client:
        for body, status in bad:
            answer = client.post("/api/v1/enrol", json=body)
            assert (answer.status_code, set(answer.json())) == (status, {"error"}), body
        assert enrolment.pending(api) == []
        assert client.post("/api/v1/enrol", json=good).status_code == 202
        replay = client.post("/api/v1/enrol", json={**good, "csr": make_csr(new_key())})
        assert replay.status_code == 403
    assert len(enrolment.pending(api)) == 1
    assert len(enrolment.alarms(api)) == 1


def test_a_flood_is_told_to_wait() -> None:
    now_s = 1000.0
    limit = RateLimit(6, lambda: now_s)
    assert [limit.wait_s("10.0.0.1") for _ in range(6)] == [0.0] * 6
    assert limit.wait_s("10.0.0.1") == 60.0
    assert limit.wait_s("10.0.0.2") == 0.0
    now_s = 1060.0
    assert limit.wait_s("10.0.0.1") == 0.0


def test_a_key_stays_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = write_key(tmp_path / "a.key", new_key(), "a passphrase of words")
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(file.read_bytes(), password=None)
