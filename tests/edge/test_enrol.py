"""The node's way to its certificate, against a server of its own on real TLS."""

import datetime as dt
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.enrol import EnrolFailed, Enrolment, IdentityFiles, check_issued, make_csr
from edge.errors import SettingsError
from server.identity import ca
from server.identity.ca import Credential
from server.identity.csr import read_csr

NODE = "lamp-01"
Answers = list[tuple[int, Any]]


class Server:
    """Answers each request with the next of `answers`, a function of the body or ready JSON."""

    def __init__(self, port: int) -> None:
        self.url = f"https://localhost:{port}"
        self.answers: list[Callable[[dict[str, Any]], tuple[int, Any]]] = []
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.peers: list[Any] = []

    def say(self, status: int, answer: Any) -> None:
        self.answers.append(lambda body: (status, answer))


@pytest.fixture(scope="module")
def root() -> Credential:
    return ca.create_root("root")


@pytest.fixture(scope="module")
def issuing(root: Credential) -> Credential:
    return ca.create_issuing(root, "issuing")


@pytest.fixture
def server(root: Credential, issuing: Credential, tmp_path: Path) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            said.paths.append(self.path)
            said.peers.append(self.connection.getpeercert())
            status, answer = said.answers.pop(0)(said.bodies[-1])
            data = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            return None

    issued = ca.issue_server(issuing, "enrol")
    files = issued.save(tmp_path / "server")
    files.certificate.write_bytes(issued.certificate_pem() + issuing.certificate_pem())
    roots = tmp_path / "server" / "root.pem"
    roots.write_bytes(root.certificate_pem())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(roots))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(files.certificate, files.key)
    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    said = Server(http.server_address[1])
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield said
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def files(root: Credential, tmp_path: Path) -> IdentityFiles:
    roots = tmp_path / "node" / "roots.pem"
    roots.parent.mkdir()
    roots.write_bytes(root.certificate_pem())
    return IdentityFiles(
        key=roots.with_name("node.key"), certificate=roots.with_name("node.pem"), roots=roots
    )


def _issue(
    root: Credential, issuing: Credential, name: str = NODE, days_ago: int = 0
) -> Callable[[dict[str, Any]], tuple[int, Any]]:
    """Signs what comes."""

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        now = dt.datetime.now(dt.UTC)
        signer = issuing
        if days_ago:
            past = now - dt.timedelta(days=days_ago)
            leaf = ca.sign_node(signer, name, read_csr(body["csr"]), now=past)
        else:
            leaf = ca.sign_node(signer, name, read_csr(body["csr"]), now=now)
        chain = leaf.public_bytes(serialization.Encoding.PEM) + signer.certificate_pem()
        roots = root.certificate_pem()
        return 200, {
            "state": "issued", "certificate": chain.decode(), "roots": roots.decode(),
        }  # fmt: skip

    return answer


def _enrolment(server: Server, files: IdentityFiles) -> Enrolment:
    return Enrolment(NODE, server.url, files, sleep=lambda _: None)


def test_it_asks_with_one_key_until_it_is_answered(
    server: Server, files: IdentityFiles, root: Credential, issuing: Credential
) -> None:
    server.say(202, {"state": "pending"})
    server.say(503, {"error": {"code": "x", "message": "database away"}})
    server.answers.append(_issue(root, issuing))
    _enrolment(server, files).first("ABCD-EFGH", wait_s=60)
    assert [body["token"] for body in server.bodies] == ["ABCD-EFGH"] * 3
    keys = {read_csr(body["csr"]).public_numbers() for body in server.bodies}
    assert len(keys) == 1
    leaf = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    assert leaf.subject.rfc4514_string() == f"CN={NODE}"
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert not files.next_key.exists()
    assert _enrolment(server, files).days_left() == pytest.approx(90, abs=0.1)


def test_a_start_after_no_answer_goes_on_with_the_same_key(
    server: Server, files: IdentityFiles, root: Credential, issuing: Credential
) -> None:
    server.say(202, {"state": "pending"})
    with pytest.raises(EnrolFailed, match="pending after 0 s; a technician approves"):
        _enrolment(server, files).first("T", wait_s=0)
    server.answers.append(_issue(root, issuing))
    _enrolment(server, files).first("T", wait_s=0)
    first, second = (read_csr(body["csr"]).public_numbers() for body in server.bodies)
    assert first == second


def test_a_denial_is_said_in_the_servers_words(server: Server, files: IdentityFiles) -> None:
    server.say(403, {"error": {"code": "denied", "message": "this token opens nothing"}})
    with pytest.raises(EnrolFailed, match="answered 403: this token opens nothing"):
        _enrolment(server, files).first("T", wait_s=60)


def test_a_renewal_shows_the_present_certificate(
    server: Server, files: IdentityFiles, root: Credential, issuing: Credential
) -> None:
    server.answers.append(_issue(root, issuing))
    _enrolment(server, files).first("T", wait_s=0)
    old_key = files.key.read_bytes()
    server.answers.append(_issue(root, issuing))
    _enrolment(server, files).renew(wait_s=0)
    assert server.paths == ["/api/v1/enrol", "/api/v1/renew"]
    assert server.peers[0] in (None, {})
    assert (("commonName", NODE),) in server.peers[1]["subject"]
    assert files.key.read_bytes() != old_key
    context = ssl.create_default_context(cafile=str(files.roots))
    context.load_cert_chain(files.certificate, files.key)  # the pair fits


@pytest.mark.parametrize("name", ["lamp-02", "srv-ingest"])
def test_a_certificate_for_another_name_is_not_taken(
    server: Server, files: IdentityFiles, root: Credential, issuing: Credential, name: str
) -> None:
    if name.startswith("srv-"):
        stranger = ca.issue_process(issuing, name)
        chain = (stranger.certificate_pem() + issuing.certificate_pem()).decode()
        server.say(200, {"state": "issued", "certificate": chain, "roots": "x"})
    else:
        server.answers.append(_issue(root, issuing, name))
    with pytest.raises(EnrolFailed, match="another name or another key"):
        _enrolment(server, files).first("T", wait_s=0)
    assert not files.certificate.exists()


def test_a_chain_that_ends_elsewhere_is_not_taken(root: Credential) -> None:
    other = ca.create_root("else")
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = ca.sign_node(other, NODE, read_csr(make_csr(key, NODE)))
    pem = leaf.public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(EnrolFailed, match="doesn't end at a root"):
        check_issued(NODE, key.public_key(), pem, root.certificate_pem().decode())


def test_a_server_of_another_root_is_refused(server: Server, files: IdentityFiles) -> None:
    files.roots.write_bytes(ca.create_root("else").certificate_pem())
    with pytest.raises(EnrolFailed, match="is not vouched for"):
        _enrolment(server, files).first("T", wait_s=60)
    assert server.bodies == []


def test_an_answer_that_is_not_ours_names_the_port(server: Server, files: IdentityFiles) -> None:
    server.say(404, b"<html>not here</html>")
    with pytest.raises(EnrolFailed, match=r"is it the enrolment port \(8444\)"):
        _enrolment(server, files).first("T", wait_s=60)


def test_plain_http_is_refused(files: IdentityFiles) -> None:
    with pytest.raises(SettingsError, match="expected https://HOST:PORT"):
        Enrolment(NODE, "http://server:8444", files)
