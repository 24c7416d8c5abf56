"""Connections and pools, alike for every process: named, in UTC, quick to notice a dead peer."""

from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from server.db.patient import PatientConnection

# A server that went away without a word is noticed after about 25 s, not after two hours.
_PARAMETERS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Keepalives say nothing while something sent is unanswered; this does.
    "tcp_user_timeout": 25_000,
    "options": "-c timezone=UTC",
}
# Short, so that after an outage the next use connects at once: until it gives up, a pool waits out
# a back-off that doubles up to minutes.
_GIVE_UP_S = 4.0


def connect(
    dsn: str, *, name: str, autocommit: bool = False, patience_s: float = float("inf")
) -> psycopg.Connection:
    """A connection that `pg_stat_activity` shows as `name`.

    Args:
        patience_s: Given up when the server says nothing for so long while we wait for it.

    Raises:
        psycopg.OperationalError: The server can't be reached or refuses.
    """
    conn = PatientConnection.connect(
        dsn, application_name=name, autocommit=autocommit, **_PARAMETERS
    )
    conn.patience_s = patience_s
    return conn


def open_pool(
    dsn: str,
    *,
    name: str,
    min_size: int = 1,
    max_size: int = 8,
    autocommit: bool = False,
    statement_timeout_s: float = 0,
) -> ConnectionPool[psycopg.Connection]:
    """A pool of such connections, checked before they are handed out; close it when done.

    It opens in the background: a server that isn't there yet shows at the first use. A statement
    that takes longer than `statement_timeout_s` is cancelled; 0 never is.
    """
    options = f"{_PARAMETERS['options']} -c statement_timeout={statement_timeout_s * 1000:.0f}"
    return ConnectionPool(
        dsn,
        kwargs={
            **_PARAMETERS,
            "application_name": name,
            "autocommit": autocommit,
            "options": options,
        },
        min_size=min_size,
        max_size=max_size,
        reconnect_timeout=_GIVE_UP_S,
        check=ConnectionPool.check_connection,
        name=name,
        open=True,
    )
