"""How this node gets its certificate, and the next one: its key is born here and never leaves.

The server is trusted by the municipal root that came with the node's settings, never by the public
list. A request that got no answer is sent again with the same key, so the server knows it.
"""

import datetime as dt
import http.client
import json
import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.errors import NodeError, SettingsError

log = logging.getLogger(__name__)

HTTP_TIMEOUT_S = 30.0
ASK_AGAIN_S = 15.0
# A certificate lives 90 days; from two thirds on it is renewed.
RENEW_BEFORE = dt.timedelta(days=30)
BOARD_SERIAL = Path("/sys/firmware/devicetree/base/serial-number")


class EnrolFailed(NodeError):
    """The server gave no certificate; the message is its own, or says why it wasn't reached."""


@dataclass(frozen=True, kw_only=True)
class IdentityFiles:
    """Where this node's key, certificate and roots lie: what the broker's settings name."""

    key: Path
    certificate: Path
    roots: Path

    @property
    def next_key(self) -> Path:
        """The key of a request that isn't answered yet."""
        return self.key.with_name(f"{self.key.name}.next")


class Enrolment:
    """One node's way to its certificate.

    Args:
        url: `https://HOST:PORT` of the server's `msl enrol`.
        sleep: Waits between two questions.
    """

    def __init__(
        self,
        node_id: str,
        url: str,
        files: IdentityFiles,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._node_id = node_id
        self._files = files
        self._sleep = sleep
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise SettingsError(f"enrol.url is {url!r}; expected https://HOST:PORT")
        self._host, self._port = parts.hostname, parts.port or 443

    def days_left(self) -> float | None:
        """Days until the present certificate ends; None without one."""
        try:
            pem = self._files.certificate.read_bytes()
        except FileNotFoundError:
            return None
        ends = x509.load_pem_x509_certificates(pem)[0].not_valid_after_utc
        return (ends - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)

    def first(self, token: str, wait_s: float) -> None:
        """Ask by token until a person has approved; raises `EnrolFailed` after `wait_s`."""
        body = {"node_id": self._node_id, "token": token, "board": board_serial()}
        self._ask("/api/v1/enrol", body, wait_s, shows_certificate=False)

    def renew(self, wait_s: float) -> None:
        """Ask by the present certificate; raises `EnrolFailed`."""
        self._ask("/api/v1/renew", {}, wait_s, shows_certificate=True)

    def _ask(
        self, path: str, body: dict[str, Any], wait_s: float, *, shows_certificate: bool
    ) -> None:
        key = self._pending_key()
        body = {**body, "csr": make_csr(key, self._node_id)}
        until_s = time.monotonic() + wait_s
        while True:
            state, answer = self._post(path, body, shows_certificate)
            if "certificate" in answer:
                self._take(key, answer["certificate"], answer["roots"])
                return
            if time.monotonic() >= until_s:
                raise EnrolFailed(
                    f"request of {self._node_id} is {state} after {wait_s:.0f} s; a technician"
                    f" approves it: msl node approve {self._node_id}; then ask again"
                )
            log.info("request of %s is %s", self._node_id, state)
            self._sleep(ASK_AGAIN_S)

    def _post(
        self, path: str, body: dict[str, Any], shows_certificate: bool
    ) -> tuple[str, dict[str, Any]]:
        """The server's answer; being away is `unreachable`, being denied an error."""
        context = self._tls(shows_certificate)
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=HTTP_TIMEOUT_S, context=context
        )
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read(65_536)
        except ssl.SSLCertVerificationError as error:
            raise EnrolFailed(
                f"{self._host}:{self._port} is not vouched for by {self._files.roots}:"
                f" {error.verify_message}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            log.warning("%s:%d can't be reached: %s", self._host, self._port, error)
            return "unreachable", {}
        finally:
            connection.close()
        return self._understood(response.status, text)

    def _understood(self, status: int, text: bytes) -> tuple[str, dict[str, Any]]:
        try:
            answer = json.loads(text)
            if status in (200, 202):
                return str(answer["state"]), answer
            said = str(answer["error"]["message"])
        except (ValueError, KeyError, TypeError) as error:
            raise EnrolFailed(
                f"{self._host}:{self._port} answered {status} and no JSON of ours; is it the"
                " enrolment port (8444)?"
            ) from error
        if status == 429 or status >= 500:
            return f"answered {status}", {}
        raise EnrolFailed(f"{self._host}:{self._port} answered {status}: {said}")

    def _tls(self, shows_certificate: bool) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=str(self._files.roots))
            if shows_certificate:
                context.load_cert_chain(self._files.certificate, self._files.key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{self._files.roots} or {self._files.certificate} can't be used: {error}"
            ) from error
        return context

    def _pending_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the request under way; a new one when there is none."""
        try:
            pem = self._files.next_key.read_bytes()
            key = serialization.load_pem_private_key(pem, password=None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key
        except FileNotFoundError:
            pass
        except (ValueError, TypeError) as error:
            log.warning("%s is made anew: %s", self._files.next_key, error)
        key = ec.generate_private_key(ec.SECP256R1())
        _write(self._files.next_key, _key_pem(key), 0o600)
        return key

    def _take(self, key: ec.EllipticCurvePrivateKey, chain: str, roots: str) -> None:
        """Keep what was issued, after it has been held against what was asked for."""
        check_issued(self._node_id, key.public_key(), chain, self._files.roots.read_text())
        # Certificate first, key last: a start between the two finds a pair that doesn't fit, says
        # so, and asks again with the key that is still there.
        _write(self._files.certificate, chain.encode(), 0o644)
        _write(self._files.roots, roots.encode(), 0o644)
        self._files.next_key.replace(self._files.key)
        log.info("certificate of %s is good for %.0f days", self._node_id, self.days_left() or 0)


def make_csr(key: ec.EllipticCurvePrivateKey, node_id: str) -> str:
    """A PKCS #10 request as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def check_issued(
    node_id: str, public_key: ec.EllipticCurvePublicKey, chain: str, roots: str
) -> None:
    """Raise `EnrolFailed` unless the chain is ours, for our key, and ends at a root we pinned."""
    try:
        leaf, *above = x509.load_pem_x509_certificates(chain.encode())
        anchors = x509.load_pem_x509_certificates(roots.encode())
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if [name.value for name in names] != [node_id] or leaf.public_key() != public_key:
            raise EnrolFailed("the certificate that came is for another name or another key")
        below = leaf
        for signer in above:
            below.verify_directly_issued_by(signer)
            below = signer
        if not any(_vouches(root, below) for root in anchors):
            raise EnrolFailed("the certificate that came doesn't end at a root of this node")
    except (ValueError, TypeError, InvalidSignature) as error:
        raise EnrolFailed(f"the certificate that came can't be used: {error}") from error


def board_serial() -> str | None:
    """The board's serial number, as a Raspberry Pi tells it; None elsewhere."""
    try:
        return BOARD_SERIAL.read_text().strip("\0\n ")[:64] or None
    except OSError:
        return None


def _vouches(root: x509.Certificate, below: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write whole or not at all, durably: the power may go at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)
