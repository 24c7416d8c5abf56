"""A connection for each request, given back whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Annotated, Any

import psycopg
from fastapi import Depends, Request
from psycopg_pool import ConnectionPool

from server.db.connect import open_pool

Connection = psycopg.Connection[Any]
Lease = Callable[[], AbstractContextManager[Connection]]

# Longer than this and the caller should hear that the database is away.
LEASE_TIMEOUT_S = 3.0
# Nobody waits longer for a page, and a stranger's query must not hold a core.
STATEMENT_TIMEOUT_S = 10.0


def open_api_pool(dsn: str) -> ConnectionPool[psycopg.Connection]:
    """The pool of `msl serve`; opens in the background, so the page can say what is wrong."""
    return open_pool(
        dsn, name="msl serve", max_size=8, autocommit=True, statement_timeout_s=STATEMENT_TIMEOUT_S
    )


def lease_from(pool: ConnectionPool[psycopg.Connection]) -> Lease:
    """A function that lends a connection for a `with` block."""

    def lease() -> AbstractContextManager[Connection]:
        return pool.connection(timeout=LEASE_TIMEOUT_S)

    return lease


def _connection(request: Request) -> Iterator[Connection]:
    with request.app.state.lease() as conn:
        yield conn


Database = Annotated[Connection, Depends(_connection)]
