"""The ingester's database connection: durable commits, nothing that waits for ever."""

import psycopg

from server.db.connect import connect
from server.ingest import arrays

# A statement that takes longer has met something that isn't load; start over.
STATEMENT_TIMEOUT_S = 60
# A server that doesn't even say that it took too long is not there, whatever its socket does.
SILENT_RATIO = 1.25


def open_connection(
    dsn: str, *, name: str = "msl ingest", statement_timeout_s: float = STATEMENT_TIMEOUT_S
) -> psycopg.Connection:
    """A connection for `store`.

    Raises:
        psycopg.OperationalError: The server can't be reached or refuses.
    """
    conn = connect(dsn, name=name, autocommit=True, patience_s=SILENT_RATIO * statement_timeout_s)
    # An acknowledgement stands on the commit being on disk, whatever the server's default is.
    conn.execute(
        "SELECT set_config('synchronous_commit', 'on', false),"
        " set_config('statement_timeout', %(ms)s, false),"
        " set_config('idle_in_transaction_session_timeout', %(ms)s, false)",
        {"ms": f"{statement_timeout_s * 1000:.0f}"},
    )
    arrays.register(conn)
    return conn
