"""The ingester's database connection: durable commits, nothing that waits for ever."""

import psycopg

from server.db.connect import connect
from server.ingest import arrays

# A statement that takes longer has met something that isn't load; start over.
STATEMENT_TIMEOUT_S = 60


def open_connection(dsn: str, *, name: str = "msl ingest") -> psycopg.Connection:
    """A connection for `store`.

    Raises:
        psycopg.OperationalError: The server can't be reached or refuses.
    """
    conn = connect(dsn, name=name, autocommit=True)
    # An acknowledgement stands on the commit being on disk, whatever the server's default is.
    conn.execute(
        "SELECT set_config('synchronous_commit', 'on', false),"
        " set_config('statement_timeout', %(ms)s, false),"
        " set_config('idle_in_transaction_session_timeout', %(ms)s, false)",
        {"ms": str(STATEMENT_TIMEOUT_S * 1000)},
    )
    arrays.register(conn)
    return conn
