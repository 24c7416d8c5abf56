"""What a stranger may cost us: body size, and headers that keep a browser from being used.

Pure ASGI, since Starlette's own middleware base would buffer server-sent events.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.errors import MAX_BODY_BYTES, TOO_LARGE, answer

# No inline script or style, nothing from another host, in no frame, no form to elsewhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class BodyTooLarge(HTTPException):
    """More came than is allowed; an HTTPException, since FastAPI makes 400 of all others."""

    def __init__(self) -> None:
        super().__init__(413)


class Limits:
    """Refuses bodies over `MAX_BODY_BYTES` and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(message)
            await send(message)

        try:
            if _announced_bytes(scope) > MAX_BODY_BYTES:
                raise BodyTooLarge
            await self._app(scope, _bounded(receive), with_headers)
        except BodyTooLarge:
            if started:
                raise
            refusal = answer(413, "too_large", TOO_LARGE)
            await refusal(scope, receive, with_headers)


def _announced_bytes(scope: Scope) -> int:
    """What the request says that it will send; 0 when it doesn't, or not in digits."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    return int(announced[:20]) if announced.isdigit() else 0


def _bounded(receive: Receive) -> Receive:
    """`receive` that raises BodyTooLarge beyond the bound, for bodies sent in chunks."""
    seen_bytes = 0

    async def bounded() -> Message:
        nonlocal seen_bytes
        message = await receive()
        seen_bytes += len(message.get("body", b""))
        if seen_bytes > MAX_BODY_BYTES:
            raise BodyTooLarge
        return message

    return bounded


def _add_headers(start: Message) -> None:
    present = {name.lower() for name, _ in start["headers"]}
    extra = dict(HEADERS)
    if b"cache-control" not in present:
        extra["cache-control"] = "no-store"
    start["headers"] = [
        *start["headers"],
        *((name.encode(), value.encode()) for name, value in extra.items()),
    ]
