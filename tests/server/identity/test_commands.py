"""`msl node invite …` and `msl ca`, as they are typed."""

import json
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from typer.testing import CliRunner

from server.cli import app
from server.identity import enrolment
from server.identity.ca import IdentityError
from tests.server.identity.conftest import PASSPHRASE, Msl, make_csr, new_key


@pytest.mark.db
def test_from_invitation_to_revocation(msl: Msl, api: psycopg.Connection) -> None:
    token = json.loads(msl("node", "invite", "lamp-01", "--json").stdout)["token"]
    enrolment.request(api, "lamp-01", token, make_csr(new_key()), "10000000abcd")
    (waiting,) = json.loads(msl("node", "requests", "--json").stdout)
    assert (waiting["node_id"], waiting["board"]) == ("lamp-01", "10000000abcd")
    approved = json.loads(msl("node", "approve", "lamp-01", "--json").stdout)
    assert approved["key"] == waiting["key"]
    assert "revoked 0 certificates" in msl("node", "revoke", "lamp-01", "--why", "lost").stdout
    assert msl("node", "alarms").stdout.strip() == "nothing to see to"


@pytest.mark.db
def test_a_token_is_kept_nowhere(msl: Msl, api: psycopg.Connection) -> None:
    token = json.loads(msl("node", "invite", "lamp-01", "--json").stdout)["token"]
    tables = ("enrol_token", "audit", "enrolment")
    kept = [str(api.execute(f"SELECT t::text FROM {t} AS t").fetchall()) for t in tables]
    assert token not in "".join(kept)
    assert token.replace("-", "") not in "".join(kept)


@pytest.mark.db
def test_a_replaced_node_leaves_its_place_to_another_name(
    msl: Msl, api: psycopg.Connection
) -> None:
    api.execute(
        "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
        " VALUES ('park', 'nord', 'Park', 'Europe/Berlin', 52.5, 13.4)"
    )
    api.execute("UPDATE node SET created_at = '2025-01-01' WHERE node_id = 'lamp-01'")
    api.execute(
        "INSERT INTO deployment (node_id, site_id, from_t, mount, height_m)"
        " VALUES ('lamp-01', 'park', '2025-02-01', 'pole 7', 5)"
    )
    said = json.loads(msl("node", "replace", "lamp-01", "lamp-01b", "--json").stdout)
    assert said["node_id"] == "lamp-01b"
    stays = api.execute(
        "SELECT node_id, site_id, mount, height_m, to_t IS NULL FROM deployment ORDER BY from_t"
    ).fetchall()
    assert stays == [
        ("lamp-01", "park", "pole 7", 5.0, False),
        ("lamp-01b", "park", "pole 7", 5.0, True),
    ]
    states = api.execute(
        "SELECT node_id, state::text FROM node WHERE node_id LIKE 'lamp-01%' ORDER BY 1"
    ).fetchall()
    assert states == [("lamp-01", "retired"), ("lamp-01b", "created")]
    refused = msl("node", "invite", "lamp-01")
    assert refused.exit_code != 0
    assert "retired" in str(refused.exception)


def test_an_authority_is_made_once_and_its_issuing_part_renewed(tmp_path: Path) -> None:
    word, folder = tmp_path / "pass", tmp_path / "ca"
    word.write_text(f"{PASSPHRASE}\n")
    rest = ["--folder", str(folder), "--name", "X", "--passphrase-file", str(word)]
    made = CliRunner().invoke(app, ["ca", "init", *rest])
    assert made.exit_code == 0, made.output
    assert (folder / "root.key").read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY")
    again = CliRunner().invoke(app, ["ca", "init", *rest])
    assert isinstance(again.exception, IdentityError)
    old = (folder / "issuing.pem").read_bytes()
    assert CliRunner().invoke(app, ["ca", "renew-issuing", *rest]).exit_code == 0
    new = x509.load_pem_x509_certificate((folder / "issuing.pem").read_bytes())
    root = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
    new.verify_directly_issued_by(root)
    assert (folder / "issuing.pem").read_bytes() != old
    word.write_text("not the passphrase")
    wrong = CliRunner().invoke(app, ["ca", "renew-issuing", *rest])
    assert "can't be used" in str(wrong.exception)


def test_a_server_certificate_comes_with_its_chain(tmp_path: Path) -> None:
    word, folder = tmp_path / "pass", tmp_path / "ca"
    word.write_text(PASSPHRASE)
    rest = ["--folder", str(folder), "--name", "X", "--passphrase-file", str(word)]
    CliRunner().invoke(app, ["ca", "init", *rest])
    out = ["--folder", str(folder), "--out", str(tmp_path / "secrets")]
    words = ["ca", "server", "broker", "--host", "broker.example", "--host", "10.0.0.1", *out]
    assert CliRunner().invoke(app, words).exit_code == 0
    chain = x509.load_pem_x509_certificates((tmp_path / "secrets" / "broker.pem").read_bytes())
    assert chain[0].subject.rfc4514_string() == "CN=broker"
    assert len(chain) == 2
    assert CliRunner().invoke(app, ["ca", "process", "lamp-01", *out]).exit_code != 0
