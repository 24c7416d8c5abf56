"""The queries behind a snapshot of the fleet; every one walks an index, none scans raw data."""

from contract.streams import Stream
from server.api.quantities import QUANTITIES

# A node that lies about its seq can claim 2^63 missing records, hence `least`.
NODES = """
SELECT n.node_id, n.lab_id, n.state::text, n.simulated, n.created_at,
       s.site_id, s.name AS site_name, s.tz, status.state AS link, status.received_at AS link_at
FROM node n
LEFT JOIN deployment d ON d.node_id = n.node_id
     AND d.from_t <= now() AND (d.to_t IS NULL OR d.to_t > now())
LEFT JOIN site s ON s.site_id = d.site_id
LEFT JOIN LATERAL (
    SELECT state, received_at FROM node_status
    WHERE node_id = n.node_id ORDER BY received_at DESC LIMIT 1
) status ON true
WHERE (%(node_id)s::text IS NULL OR n.node_id = %(node_id)s)
ORDER BY s.name NULLS LAST, s.site_id, n.node_id
"""

LEDGER = """
WITH entry AS (
    SELECT l.node_id, l.stream, l.spool, l.first_at, l.last_at, l.last_new_at, c.*,
           coalesce(upper(a.ranges) - 1, 0) - c.accounted_n AS missing_n,
           row_number() OVER (PARTITION BY l.node_id, l.stream ORDER BY l.last_at DESC) AS age
    FROM ledger l
    CROSS JOIN LATERAL (SELECT accounted(l) AS ranges OFFSET 0) a
    CROSS JOIN LATERAL (
        SELECT (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(a.ranges) r)
                   AS accounted_n,
               (SELECT coalesce(max(upper(r) - 1), 0) FROM unnest(a.ranges) r WHERE r @> 1::bigint)
                   AS complete_to,
               (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.stored) r) AS stored_n,
               (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.held) r) AS held_n,
               (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.rejected) r)
                   AS rejected_n,
               (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.lost) r) AS lost_n
    ) c
    WHERE l.node_id = ANY(%(node_ids)s)
)
SELECT node_id, stream,
       min(spool) FILTER (WHERE age = 1) AS spool,
       min(first_at) AS first_at, max(last_at) AS last_at, max(last_new_at) AS last_new_at,
       min(complete_to) FILTER (WHERE age = 1) AS complete_to,
       least(sum(stored_n), 9e18)::bigint AS stored_n,
       least(sum(missing_n), 9e18)::bigint AS missing_n,
       least(sum(held_n), 9e18)::bigint AS held_n,
       least(sum(rejected_n), 9e18)::bigint AS rejected_n,
       least(sum(lost_n), 9e18)::bigint AS lost_n
FROM entry GROUP BY node_id, stream
"""

_EXTRA = {
    Stream.FOOTFALL: """, (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'line', l.line, 'a_to_b', l.a_to_b, 'b_to_a', l.b_to_a) ORDER BY l.line),
                       '[]')
            FROM footfall_line_raw l
            WHERE l.t = raw.t AND l.node_id = raw.node_id AND l.spool = raw.spool
              AND l.seq = raw.seq) AS lines""",
    Stream.HEALTH: ", sensors",
}


def latest(stream: Stream) -> str:
    """The newest accepted record of `stream` for each of `node_ids` since `since`."""
    columns = ", ".join(q.name for q in QUANTITIES[stream])
    return f"""
        SELECT n.node_id, r.* FROM unnest(%(node_ids)s::text[]) AS n(node_id),
        LATERAL (
            SELECT t, received_at, dur_s, valid_s, flags, {columns}{_EXTRA.get(stream, "")}
            FROM {stream}_raw raw
            WHERE node_id = n.node_id AND t > %(since)s
            ORDER BY t DESC LIMIT 1
        ) r"""  # noqa: S608 - every part is one of our own constants


# The newest held record of a spool says why: the reason changes when the clock's trouble does.
def held_reason(stream: Stream) -> str:
    """Why records of `stream` are held, for pairs of `node_ids` and `spools`."""
    return f"""
        SELECT n.node_id, r.reason
        FROM unnest(%(node_ids)s::text[], %(spools)s::text[]) AS n(node_id, spool),
        LATERAL (
            SELECT reason FROM held_{stream} h
            WHERE h.node_id = n.node_id AND h.spool = n.spool ORDER BY seq DESC LIMIT 1
        ) r"""  # noqa: S608 - the stream is one of an enumeration


CALIBRATIONS = """
SELECT node_id, calibration_id, quantity, line, from_t, gain, "offset", uncertainty, reference
FROM calibration
WHERE node_id = ANY(%(node_ids)s) AND revoked_at IS NULL
ORDER BY node_id, from_t
"""
