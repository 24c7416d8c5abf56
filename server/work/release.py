"""Records that came in held after their boot's clock correction was entered."""

import psycopg


def release_corrected(conn: psycopg.Connection) -> int:
    """Apply every clock correction that still has held records; return how many were stored."""
    released_n = 0
    corrections = conn.execute(
        "SELECT c.correction_id FROM clock_correction AS c WHERE EXISTS ("
        " SELECT FROM ledger AS l WHERE l.node_id = c.node_id AND l.spool = c.spool"
        " AND l.held <> '{}') ORDER BY c.correction_id"
    ).fetchall()
    for (correction_id,) in corrections:
        row = conn.execute("SELECT released_n FROM release_held(%s)", [correction_id]).fetchone()
        released_n += row[0] if row else 0
    return released_n
