"""Sites, nodes, stays, calibrations, exclusions and interventions of the made city."""

from typing import Any

import psycopg

from benchmarks.year_data.shape import PATTERNS_N, Shape, Span

_FILL = """
INSERT INTO lab (lab_id, name) VALUES ('city', 'Year-long city');
INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude, lighting_class)
SELECT format('site-%%s', lpad(n::text, 2, '0')), 'city', format('Place %%s', n),
       'Europe/Berlin', 52.3 + n / 500.0, 13.2 + n / 400.0, 'P3'
FROM generate_series(0, %(sites_n)s - 1) AS n;
INSERT INTO node (node_id, lab_id, state, simulated, created_at)
SELECT format('city-%%s', lpad(n::text, 3, '0')), 'city', 'commissioned', true,
       %(began)s - interval '30 days'
FROM generate_series(0, %(nodes_n)s - 1) AS n;
INSERT INTO deployment (node_id, site_id, from_t, mount)
SELECT node_id, format('site-%%s', lpad((n %% %(sites_n)s)::text, 2, '0')),
       %(began)s - interval '30 days', 'pole'
FROM (SELECT node_id, right(node_id, 3)::integer AS n FROM node) AS numbered;
INSERT INTO calibration (node_id, quantity, from_t, gain, "offset", reference)
SELECT node_id, c.quantity, c.from_t, c.gain, c.lift, 'luxmeter 7 / calibrator 2'
FROM (SELECT node_id, right(node_id, 3)::integer %% %(patterns_n)s AS pattern FROM node) AS p
JOIN (VALUES (0, 7, 'light', %(began)s - interval '30 days', 1.1, 0.2),
             (0, 7, 'noise', %(began)s - interval '30 days', 1.0, -0.7),
             (0, 3, 'footfall', %(began)s - interval '30 days', 1.04, 0.0),
             (2, 3, 'light', %(end)s - interval '10 days', 1.2, 0.0),
             (2, 3, 'noise', %(end)s - interval '10 days', 1.0, 0.4))
    AS c(pattern_from, pattern_to, quantity, from_t, gain, lift)
    ON p.pattern BETWEEN c.pattern_from AND c.pattern_to;
INSERT INTO exclusion (node_id, stream, from_t, to_t, reason)
SELECT node_id, NULL, %(raw_from)s + interval '9 hours', %(raw_from)s + interval '15 hours',
       'street market'
FROM node WHERE right(node_id, 3)::integer %% %(patterns_n)s = 4;
INSERT INTO intervention (intervention_id, lab_id, title, kind, from_t, to_t)
VALUES ('relight', 'city', 'New lamps', 'lighting', %(began)s + interval '180 days',
        %(began)s + interval '194 days');
INSERT INTO intervention_site (intervention_id, site_id, arm)
SELECT 'relight', site_id, CASE WHEN right(site_id, 2)::integer < 10 THEN 'treated'
                                WHEN right(site_id, 2)::integer < 14 THEN 'buffer'
                                ELSE 'control' END
FROM site;
INSERT INTO origin (node_id, spool, boot, rev, sens_db)
SELECT node_id, 'c0ffee00c0ffee00', 'b00710000000000000000000000000aa', '0.1.0', -26 FROM node;
INSERT INTO node_status (received_at, node_id, state, boot, rev, spool)
SELECT %(end)s - interval '2 days', node_id, 'online', 'b00710000000000000000000000000aa',
       '0.1.0', 'c0ffee00c0ffee00' FROM node;
"""


def fill_registry(conn: psycopg.Connection[Any], shape: Shape, span: Span) -> None:
    """Enter everything that is known of the city; every 8th node is as the other."""
    values = {
        "sites_n": shape.sites_n,
        "nodes_n": shape.nodes_n,
        "patterns_n": PATTERNS_N,
        "began": span.began,
        "raw_from": span.raw_from,
        "end": span.end,
    }
    psycopg.ClientCursor(conn).execute(_FILL, values)
