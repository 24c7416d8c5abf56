"""Who may write: whoever holds the token in the file that a setting names; nobody without one.

Reading needs no token yet: the server listens on loopback, and roles come with accounts.
"""

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from server.api.errors import ApiError
from server.settings import Settings, SettingsError, read_secret, variable

SETTING = "serve_write_token_file"
MIN_TOKEN_CHARS = 32
# What the audit says: one token, one name, until accounts come.
ACTOR = "api"

_bearer = HTTPBearer(auto_error=False, description="The write token of this server")


def read_write_token(settings: Settings) -> str | None:
    """The token that allows writing, or None when none is configured.

    Raises:
        SettingsError: The file can't be read, or holds a token too short to be one.
    """
    if settings.serve_write_token_file is None:
        return None
    token = read_secret(SETTING, settings).strip()
    if len(token) < MIN_TOKEN_CHARS:
        raise SettingsError(
            f"{SETTING}: the token has {len(token)} characters, at least {MIN_TOKEN_CHARS} are"
            " needed; make one with: openssl rand -hex 32"
        )
    return token


def require_writer(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """Name of who writes, for the audit; raises ApiError 401 or 403."""
    token: str | None = request.app.state.write_token
    if token is None:
        raise ApiError(
            403,
            "writing_off",
            f"this server takes no changes over HTTP; set {variable(SETTING)} to a token's file,"
            " or use the msl command",
        )
    if credentials is None:
        raise ApiError(401, "no_token", "changes need the header Authorization: Bearer <token>")
    # Compared as digests: neither the length nor a common beginning shows in the time it takes.
    given, wanted = (_digest(text) for text in (credentials.credentials, token))
    if not hmac.compare_digest(given, wanted):
        raise ApiError(401, "wrong_token", "this token is not the one that allows writing")
    return ACTOR


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


Writer = Annotated[str, Depends(require_writer)]
