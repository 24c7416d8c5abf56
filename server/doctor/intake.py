"""What comes in: how fresh, what is missing, what was put aside, who isn't known."""

from datetime import UTC, datetime, timedelta

import psycopg

from contract.streams import DEFAULT_WINDOW_S, Stream
from server.completeness.gaps import CAUSES
from server.doctor.finding import Finding, failed, ok, skipped, warn
from server.settings import Settings

# A node sends with every window: a quarter of an hour beyond that without a single one is no
# chance. Events come when something happens.
STALE_S = {s: 900.0 + 2 * n for s, n in DEFAULT_WINDOW_S.items()}
RECENT = timedelta(days=7)
WORST_N = 3
_EACH_HELD = " UNION ALL ".join(f"SELECT reason, node_id FROM held_{s}" for s in Stream)  # noqa: S608
_HELD = f"""
SELECT reason, count(*), count(DISTINCT node_id) FROM ({_EACH_HELD}) AS h
GROUP BY reason ORDER BY reason
"""  # noqa: S608 - names of our own


def check_lag(conn: psycopg.Connection) -> list[Finding]:
    """A line a stream: when the ledger last heard of it."""
    rows = conn.execute(
        "SELECT stream, max(last_at), max(last_new_at) FROM ledger GROUP BY stream"
    ).fetchall()
    found = {Stream(stream): (last_at, new_at) for stream, last_at, new_at in rows}
    if not found:
        return [warn("ingest", "nothing was ever received", "start msl ingest and a node")]
    now = datetime.now(UTC)
    lines, stale_n = [], 0
    for stream in (s for s in Stream if s in found):
        last_at, new_at = found[stream]
        age_s = (now - last_at).total_seconds()
        stale = stream in STALE_S and age_s > STALE_S[stream]
        stale_n += stale
        new = "never" if new_at is None else _ago((now - new_at).total_seconds())
        detail = f"{stream}: last batch {_ago(age_s)}, last new record {new}"
        act = "is msl ingest running? msl gaps shows which nodes are silent"
        lines.append(warn("ingest", detail, act) if stale else ok("ingest", detail))
    expected_n = sum(s in STALE_S for s in found)
    if expected_n and stale_n == expected_n:
        return [failed("ingest", line.detail, "start msl ingest") for line in lines]
    return lines


def check_gaps(conn: psycopg.Connection) -> Finding:
    """How many records are missing, where most, and why."""
    rows = conn.execute(
        "SELECT node_id, sum(last_seq - first_seq + 1)::bigint AS n FROM ledger_gap"
        " GROUP BY node_id ORDER BY n DESC, node_id"
    ).fetchall()
    lost = conn.execute(
        "SELECT cause, sum(last_seq - first_seq + 1)::bigint FROM loss WHERE at > %s"
        " GROUP BY cause ORDER BY cause",
        [datetime.now(UTC) - RECENT],
    ).fetchall()
    said = []
    if rows:
        worst = ", ".join(f"{node_id} {n}" for node_id, n in rows[:WORST_N])
        said.append(f"{sum(n for _, n in rows)} records awaited from {len(rows)} nodes ({worst})")
    said += [f"{n} lost in {RECENT.days} days: {CAUSES[cause]}" for cause, n in lost]
    if not said:
        return ok("gaps", "nothing is missing")
    node = f" --node {rows[0][0]}" if rows else ""
    return warn("gaps", "; ".join(said), f"msl gaps{node}")


def check_held(conn: psycopg.Connection) -> Finding:
    """Records put aside for a doubtful time."""
    rows = conn.execute(_HELD.encode()).fetchall()
    if not rows:
        return ok("held", "none")
    said = ", ".join(f"{n} {reason} of {nodes_n} nodes" for reason, n, nodes_n in rows)
    return warn("held", said, "msl clock-correction add, where you know the true time")


def check_dead_letters(conn: psycopg.Connection, values: Settings) -> Finding:
    """Payloads that couldn't be stored; full means that ingest stops acknowledging them."""
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE replayed_at IS NULL) FROM dead_letter"
    ).fetchone()
    rows_n, open_n = row or (0, 0)
    most = values.dead_letter_max_rows
    if rows_n >= most:
        return failed(
            "dead letters", f"full: {rows_n} of {most}", "msl dead-letters list, replay, purge"
        )
    if open_n:
        return warn("dead letters", f"{open_n} of at most {most}", "msl dead-letters list")
    return ok("dead letters", "none waits")


def check_unknown(conn: psycopg.Connection) -> Finding:
    """Nodes with a certificate that the registry doesn't know."""
    rows = conn.execute(
        "SELECT u.node_id FROM unknown_node AS u WHERE NOT EXISTS (SELECT FROM node AS n"
        " WHERE n.node_id = u.node_id) GROUP BY 1 ORDER BY max(u.last_at) DESC"
    ).fetchall()
    if not rows:
        return ok("unknown nodes", "none")
    names = ", ".join(node_id for (node_id,) in rows[:WORST_N])
    return warn(
        "unknown nodes",
        f"{len(rows)} send and are not registered: {names}",
        f"msl node add {rows[0][0]}; its data waits in its spool",
    )


def check_refused(conn: psycopg.Connection) -> Finding:
    """Nodes whose batches ingest turned away within the day; their spools hold the records."""
    row = conn.execute(
        "SELECT node_id, reason, count(*) OVER () FROM refused_node"
        " WHERE last_at > now() - interval '1 day' ORDER BY last_at DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return ok("refused nodes", "none")
    node_id, reason, nodes_n = row
    said = f"{nodes_n} today, {node_id}: {reason}"
    return warn("refused nodes", said, f"msl node show {node_id}")


NEED_DATABASE = (
    "migrations", "rollups", "ingest", "gaps", "held", "dead letters", "unknown nodes",
    "refused nodes",
)  # fmt: skip


def all_skipped(why: str) -> list[Finding]:
    """What can't be asked without a database."""
    return [skipped(check, why) for check in NEED_DATABASE]


def _ago(age_s: float) -> str:
    if age_s < 120:
        return f"{max(age_s, 0):.0f} s ago"
    if age_s < 7200:
        return f"{age_s / 60:.0f} min ago"
    return f"{age_s / 3600:.0f} h ago" if age_s < 172_800 else f"{age_s / 86_400:.0f} days ago"
