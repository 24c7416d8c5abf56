"""A server that is there and says nothing is given up; one that answers in time never is."""

import time

import psycopg
import pytest

from server.db.connect import connect
from tests.fixtures_stack import Database

pytestmark = pytest.mark.db


def test_a_silent_server_is_given_up(database: Database) -> None:
    conn = connect(database.dsn, name="test", autocommit=True, patience_s=1)
    with pytest.raises(psycopg.OperationalError, match="nothing from the database for"):
        conn.execute("SELECT pg_sleep(120)")
    assert conn.closed


def test_a_transaction_in_which_it_fell_silent_raises_that_error(database: Database) -> None:
    conn = connect(database.dsn, name="test", autocommit=True, patience_s=1)
    with pytest.raises(psycopg.OperationalError, match="nothing from the database for"):
        _sleep_in_a_transaction(conn)
    assert conn.closed


def test_an_idle_connection_is_not_given_up(database: Database) -> None:
    with connect(database.dsn, name="test", autocommit=True, patience_s=0.5) as conn:
        conn.execute("SELECT 1")
        time.sleep(1)
        assert conn.execute("SELECT 2").fetchone() == (2,)


def _sleep_in_a_transaction(conn: psycopg.Connection) -> None:
    with conn.transaction():
        conn.execute("SELECT 1")
        conn.execute("SELECT pg_sleep(120)")
