"""What nodes reach over TLS to get a certificate: enrolment by token, renewal by mutual TLS.

A process of its own: it has no page, no session, and nothing of the issuing key.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from contract.ids import NODE_ID_PATTERN
from server.api.database import Connection, Database, lease_from, open_api_pool
from server.api.errors import ApiError, ErrorAnswer, LastResort, install_error_handlers
from server.api.limits import Limits
from server.identity import enrolment
from server.identity.ca import IdentityError
from server.identity.csr import MAX_CSR_BYTES
from server.identity.enrolment import MAX_BOARD_CHARS, Answer
from server.identity.rate_limit import RateLimit

# A node asks four times a minute while it waits for approval.
PER_MINUTE = 6
PEER = "msl.peer"

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "Taken; ask again with the same body"},
    400: {"model": ErrorAnswer, "description": "The request itself is no good"},
    403: {"model": ErrorAnswer, "description": "The token or certificate opens nothing"},
    410: {"model": ErrorAnswer, "description": "A person has refused this request"},
    429: {"model": ErrorAnswer, "description": "Too often; the message says how long to wait"},
    "default": {"model": ErrorAnswer, "description": "Anything else, in the one error shape"},
}
Csr = Annotated[str, Field(max_length=MAX_CSR_BYTES, description="PEM, PKCS #10, P-256")]


class EnrolRequest(BaseModel):
    """A node's first request; sent again, unchanged, until it is answered."""

    node_id: Annotated[str, Field(pattern=NODE_ID_PATTERN.replace(r"(?!\n)$", "$"))]
    token: Annotated[str, Field(max_length=64)]
    csr: Csr
    board: Annotated[str | None, Field(max_length=MAX_BOARD_CHARS)] = None


class RenewRequest(BaseModel):
    """A request from a node that has shown its certificate."""

    csr: Csr


class Issued(BaseModel):
    """Where the request stands; the certificate once it is issued."""

    state: str
    certificate: str | None = Field(default=None, description="PEM: the node's, then who signed it")
    roots: str | None = Field(default=None, description="PEM: whom the node trusts from now on")


class PeerProtocol(H11Protocol):
    """HTTP/1.1 that tells the application which certificate the other side has shown."""

    def connection_made(self, transport: Any) -> None:
        """Note the certificate, which TLS has verified by now."""
        super().connection_made(transport)
        secure = transport.get_extra_info("ssl_object")
        self.app = _with_peer(self.app, secure.getpeercert() if secure is not None else None)


def _with_peer(app: Any, peer: Any) -> ASGIApp:
    async def with_peer(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, PEER: peer or None}, receive, send)

    return with_peer


def create_node_app(dsn: str, roots_pem: str, per_minute: int = PER_MINUTE) -> FastAPI:
    """The application; `roots_pem` is what nodes trust from their first certificate on."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = open_api_pool(dsn)
        app.state.lease = lease_from(pool)
        try:
            yield
        finally:
            pool.close()

    app = FastAPI(
        title="Municipal Safety Lab enrolment", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    limit = RateLimit(per_minute)
    install_error_handlers(app)

    @app.post("/api/v1/enrol", responses=_ANSWERS, response_model_exclude_none=True)
    def enrol(request: Request, response: Response, conn: Database, body: EnrolRequest) -> Issued:
        """Ask for a certificate with a one-use token."""
        _within(limit, request)
        answer = _asked(
            conn, lambda: enrolment.request(conn, body.node_id, body.token, body.csr, body.board)
        )
        return _said(answer, roots_pem, response)

    @app.post("/api/v1/renew", responses=_ANSWERS, response_model_exclude_none=True)
    def renew(request: Request, response: Response, conn: Database, body: RenewRequest) -> Issued:
        """Ask for the next certificate by the present one (mutual TLS)."""
        _within(limit, request)
        node_id, serial = _peer(request)
        answer = _asked(conn, lambda: enrolment.renew(conn, node_id, serial, body.csr))
        return _said(answer, roots_pem, response)

    app.add_middleware(LastResort)
    app.add_middleware(Limits)
    return app


def server_config(
    app: FastAPI, host: str, port: int, *, cert_file: Path, key_file: Path, ca_file: Path
) -> uvicorn.Config:
    """How uvicorn runs it: TLS always, the client's certificate asked for and not demanded."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PeerProtocol,
        ssl_certfile=str(cert_file),
        ssl_keyfile=str(key_file),
        ssl_ca_certs=str(ca_file),
        ssl_cert_reqs=ssl.CERT_OPTIONAL,
        log_level="warning",
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )


def _within(limit: RateLimit, request: Request) -> None:
    wait_s = limit.wait_s(request.client.host if request.client else "")
    if wait_s > 0:
        raise ApiError(429, "too_often", f"asked too often; try again in {wait_s:.0f} s")


def _peer(request: Request) -> tuple[str, str]:
    """Common name and serial of the certificate that the node has shown."""
    peer = request.scope.get(PEER)
    if not peer:
        raise ApiError(403, "no_certificate", "renewal needs this node's own certificate (TLS)")
    name = next(v for part in peer["subject"] for k, v in part if k == "commonName")
    return name, peer["serialNumber"].lower().lstrip("0")


def _asked(conn: Connection, ask: Callable[[], Answer]) -> Answer:
    """The answer; its transaction is over, so an alarm stays whatever the node is told."""
    try:
        with conn.transaction():
            return ask()
    except IdentityError as error:
        raise ApiError(400, "invalid_request", str(error), field="csr") from None


def _said(answer: Answer, roots_pem: str, response: Response) -> Issued:
    """The answer as HTTP."""
    if answer.state == "denied":
        raise ApiError(403, "denied", answer.why or "denied")
    if answer.state == "refused":
        raise ApiError(410, "refused", "a person has refused this request; invite the node again")
    if answer.certificate is None:
        response.status_code = 202
        response.headers["Retry-After"] = "15"
        return Issued(state=answer.state)
    return Issued(state=answer.state, certificate=answer.certificate, roots=roots_pem)
