-- 0009_coverage_1d.sql: seconds measured of each local day, beside coverage_1h.
-- Why: a day's indicator must say how much of the day it saw, and a local day has 23, 24 or 25
--   hours; dividing by 24 would call a whole day incomplete in autumn and overfull in spring.
-- Units: valid_s, dur_s, day_s in s; coverage 0 to 1. local_day is the date in the site's zone (UTC
--   where there is none). A day with no row is one with no records: coverage 0, not unknown.
-- Transaction: yes. Undo: drop the views.

CREATE VIEW coverage_1d AS
SELECT h.stream, h.node_id, h.local_day, sum(h.n) AS n, sum(h.valid_s) AS valid_s,
       sum(h.dur_s) AS dur_s, bit_or(h.flags) AS flags, bool_or(h.excluded) AS excluded,
       -- A node that moved to another zone on that day: the longer of the two days.
       max(local_day_s(h.local_day, coalesce(s.tz, 'UTC'))) AS day_s,
       least(sum(h.valid_s) / max(local_day_s(h.local_day, coalesce(s.tz, 'UTC'))), 1) AS coverage
FROM (
    SELECT 'light' AS stream, node_id, local_day, deployment_id, n, valid_s, dur_s, flags, excluded
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
) AS h
LEFT JOIN deployment AS d USING (deployment_id)
LEFT JOIN site AS s USING (site_id)
GROUP BY h.stream, h.node_id, h.local_day;

CREATE VIEW dash.coverage_1d AS
SELECT local_midnight(c.local_day, s.tz) AS t, c.local_day, c.stream, c.node_id, p.site_id, p.site,
       p.simulated, c.coverage, c.valid_s, c.day_s, c.excluded
FROM coverage_1d AS c
JOIN stay AS p ON p.node_id = c.node_id
JOIN site AS s ON s.site_id = p.site_id
    AND local_midnight(c.local_day, s.tz) < p.to_t
    AND local_midnight(c.local_day + 1, s.tz) > p.from_t;

GRANT SELECT ON coverage_1d TO msl_api, msl_worker;
GRANT SELECT ON dash.coverage_1d TO msl_grafana, msl_api;
