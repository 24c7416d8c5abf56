"""The database itself: edition, migrations, whether a worker is at work and keeps up."""

import psycopg

from server.db.edition import read_edition
from server.db.migrate import read_migrations
from server.doctor.finding import Finding, failed, ok, warn
from server.work.loop import LOCK_KEY

# At 500 nodes an hour has 2,000 marked hours; a worker that is at work clears them in seconds.
MARKS_WARN_N = 20_000


def check_edition(conn: psycopg.Connection) -> Finding:
    """That the extension is there, and which one."""
    try:
        return ok("database", str(read_edition(conn)))
    except LookupError as error:
        return failed("database", str(error), "msl migrate --dsn … as a superuser")


def check_migrations(conn: psycopg.Connection) -> Finding:
    """That the tables are those this software was written for."""
    wanted = {m.number: m for m in read_migrations()}
    rows = conn.execute("SELECT number, name, sha256 FROM migration ORDER BY number").fetchall()
    applied = {number: (name, sha256) for number, name, sha256 in rows}
    newer = [name for number, (name, _) in applied.items() if number not in wanted]
    if newer:
        return failed("migrations", f"the database has {newer[-1]}", "install the newer software")
    changed = [m.name for n, m in wanted.items() if n in applied and applied[n][1] != m.sha256]
    if changed:
        return failed(
            "migrations", f"{changed[0]} was another file when applied", "restore that file"
        )
    missing = [m.name for number, m in wanted.items() if number not in applied]
    if missing:
        return failed("migrations", f"{len(missing)} to apply, from {missing[0]}", "msl migrate")
    return ok("migrations", f"{len(applied)} applied, none missing")


def check_worker(conn: psycopg.Connection) -> Finding:
    """That one is at work, and how many hours wait for it."""
    row = conn.execute(
        "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32) | objid::bigint = %s),"
        " (SELECT count(DISTINCT (node_id, stream, hour)) FROM rollup_mark)",
        [LOCK_KEY],
    ).fetchone()
    workers_n, marks_n = row or (0, 0)
    waiting = f"{marks_n} hours wait to be rolled up"
    if not workers_n:
        return failed("rollups", f"no worker is at work; {waiting}", "start msl work")
    if marks_n > MARKS_WARN_N:
        return warn("rollups", f"the worker is behind: {waiting}", "look at msl work's log")
    return ok("rollups", f"a worker is at work; {waiting}")
