-- 0009_coverage_1d.sql: seconds measured of each local day, beside coverage_1h.
-- Why: a day's indicator must say how much of the day it saw, and a local day has 23, 24 or 25
--   hours; dividing by 24 would call a whole day incomplete in autumn and overfull in spring.
--   By stay, as coverage_1h: when a node moves, each site has the seconds measured there.
-- Units: valid_s, dur_s, day_s in s; coverage 0 to 1. local_day is the date in the site's zone (UTC
--   where there is none). A day with no row is one with no records: coverage 0, not unknown.
-- Transaction: yes. Undo: drop the views.

CREATE VIEW coverage_1d AS
SELECT h.stream, h.node_id, h.local_day, h.deployment_id, h.n, h.valid_s, h.dur_s, h.flags,
       h.excluded, day.day_s, least(h.valid_s / day.day_s, 1) AS coverage
FROM (
    SELECT stream, node_id, local_day, deployment_id, sum(n) AS n, sum(valid_s) AS valid_s,
           sum(dur_s) AS dur_s, bit_or(flags) AS flags, bool_or(excluded) AS excluded
    FROM (
        SELECT 'light' AS stream, node_id, local_day, deployment_id, n, valid_s, dur_s, flags,
               excluded
        FROM light_1h_now
        UNION ALL
        SELECT 'noise', node_id, local_day, deployment_id, n, valid_s, dur_s, flags, excluded
        FROM noise_1h_now
        UNION ALL
        SELECT 'footfall', node_id, local_day, deployment_id, n, valid_s, dur_s, flags, excluded
        FROM footfall_1h_now
        UNION ALL
        SELECT 'health', node_id, local_day, deployment_id, n, valid_s, dur_s, flags, excluded
        FROM health_1h_now
    ) AS hours
    GROUP BY stream, node_id, local_day, deployment_id
) AS h
LEFT JOIN deployment AS d USING (deployment_id)
LEFT JOIN site AS s USING (site_id)
-- OFFSET 0: worked out once a row, for the column and the share.
CROSS JOIN LATERAL (
    SELECT local_day_s(h.local_day, coalesce(s.tz, 'UTC')) AS day_s OFFSET 0) AS day;

CREATE VIEW dash.coverage_1d AS
SELECT local_midnight(c.local_day, s.tz) AS t, c.local_day, c.stream, c.node_id, p.site_id, p.site,
       p.simulated, c.coverage, c.valid_s, c.day_s, c.excluded
FROM coverage_1d AS c JOIN stay AS p USING (deployment_id) JOIN site AS s USING (site_id);

GRANT SELECT ON coverage_1d TO msl_api, msl_worker;
GRANT SELECT ON dash.coverage_1d TO msl_grafana, msl_api;
