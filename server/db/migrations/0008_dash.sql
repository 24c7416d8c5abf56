-- 0008_dash.sql: what dashboards read (schema dash) and what anybody may (schema pub).
-- Why: Grafana sends any SQL its viewer likes, so its role reaches these views and nothing else.
--   They carry the site's name and whether a node is simulated with every number, apply
--   calibrations, leave excluded records out, and show what wasn't measured as null, never 0.
-- Units: in the names; t and hour are UTC, local_day is the site's own. coverage is valid seconds
--   over seconds, 0 to 1.
-- Transaction: yes. Undo: drop the views.

CREATE VIEW dash.sites AS
SELECT s.site_id, s.name AS site, s.lab_id, l.name AS lab, s.tz, s.latitude, s.longitude,
       s.lighting_class, s.cordon
FROM site AS s JOIN lab AS l USING (lab_id);

-- Where a node is now; site null: nowhere.
CREATE VIEW dash.nodes AS
SELECT n.node_id, n.lab_id, n.state::text AS state, n.simulated, s.site_id, s.name AS site,
       coalesce(d.latitude, s.latitude) AS latitude,
       coalesce(d.longitude, s.longitude) AS longitude,
       d.mount, d.height_m, d.from_t AS deployed_since,
       link.state AS link, link.received_at AS link_since
FROM node AS n
LEFT JOIN deployment AS d ON d.node_id = n.node_id AND d.from_t <= now()
    AND now() < coalesce(d.to_t, 'infinity')
LEFT JOIN site AS s ON s.site_id = d.site_id
LEFT JOIN LATERAL (SELECT state, received_at FROM node_status AS x
                   WHERE x.node_id = n.node_id ORDER BY received_at DESC LIMIT 1) AS link ON true;

-- Every stay of a node at a site, for joins by time.
CREATE VIEW stay AS
SELECT d.deployment_id, d.node_id, d.from_t, coalesce(d.to_t, 'infinity') AS to_t,
       s.site_id, s.name AS site, n.simulated
FROM deployment AS d JOIN site AS s USING (site_id) JOIN node AS n USING (node_id);

CREATE VIEW dash.light_1m AS
SELECT r.t, r.node_id, p.site_id, p.site, p.simulated,
       coalesce(c.gain, 1) * r.lux_p50 + coalesce(c."offset", 0) AS lux,
       coalesce(c.gain, 1) * r.lux_p10 + coalesce(c."offset", 0) AS lux_p10,
       coalesce(c.gain, 1) * r.lux_p90 + coalesce(c."offset", 0) AS lux_p90,
       c.calibration_id IS NOT NULL AS calibrated,
       r.valid_s / nullif(r.dur_s, 0) AS coverage, r.dur_s, r.valid_s, r.flags
FROM light_raw AS r
JOIN stay AS p ON p.node_id = r.node_id AND r.t >= p.from_t AND r.t < p.to_t
LEFT JOIN LATERAL (
    SELECT * FROM calibration AS c
    WHERE c.node_id = r.node_id AND c.quantity = 'light' AND c.revoked_at IS NULL
      AND c.from_t <= r.t ORDER BY c.from_t DESC LIMIT 1) AS c ON true
WHERE r.flags & (SELECT mask FROM rollup_barred) = 0
  AND NOT EXISTS (SELECT FROM exclusion AS e
                  WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'light') = 'light'
                    AND (e.node_id = r.node_id OR e.site_id = p.site_id)
                    AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t);

CREATE VIEW dash.noise_1m AS
SELECT r.t, r.node_id, p.site_id, p.site, p.simulated,
       r.laeq + coalesce(c."offset", 0) AS laeq_db,
       r.lafmax + coalesce(c."offset", 0) AS lafmax_db,
       r.la10 + coalesce(c."offset", 0) AS la10_db,
       r.la50 + coalesce(c."offset", 0) AS la50_db,
       r.la90 + coalesce(c."offset", 0) AS la90_db,
       r.lceq + coalesce(c."offset", 0) AS lceq_db,
       c.calibration_id IS NOT NULL AS calibrated,
       r.valid_s / nullif(r.dur_s, 0) AS coverage, r.dur_s, r.valid_s, r.flags
FROM noise_raw AS r
JOIN stay AS p ON p.node_id = r.node_id AND r.t >= p.from_t AND r.t < p.to_t
LEFT JOIN LATERAL (
    SELECT * FROM calibration AS c
    WHERE c.node_id = r.node_id AND c.quantity = 'noise' AND c.revoked_at IS NULL
      AND c.from_t <= r.t ORDER BY c.from_t DESC LIMIT 1) AS c ON true
WHERE r.flags & (SELECT mask FROM rollup_barred) = 0
  AND NOT EXISTS (SELECT FROM exclusion AS e
                  WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'noise') = 'noise'
                    AND (e.node_id = r.node_id OR e.site_id = p.site_id)
                    AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t);

-- One row a window and line; counts are null while the camera saw nothing.
CREATE VIEW dash.footfall AS
SELECT r.t, r.node_id, p.site_id, p.site, p.simulated, l.line,
       coalesce(c.gain, 1) * l.a_to_b AS a_to_b,
       coalesce(c.gain, 1) * l.b_to_a AS b_to_a,
       c.calibration_id IS NOT NULL AS calibrated,
       r.occupancy, r.scene_luma, r.fps,
       r.valid_s / nullif(r.dur_s, 0) AS coverage, r.dur_s, r.valid_s, r.flags
FROM footfall_raw AS r
JOIN stay AS p ON p.node_id = r.node_id AND r.t >= p.from_t AND r.t < p.to_t
JOIN footfall_line_raw AS l
    ON l.t = r.t AND l.node_id = r.node_id AND l.spool = r.spool AND l.seq = r.seq
LEFT JOIN LATERAL (
    SELECT * FROM calibration AS c
    WHERE c.node_id = r.node_id AND c.quantity = 'footfall' AND c.revoked_at IS NULL
      AND c.from_t <= r.t AND coalesce(c.line, l.line) = l.line
    ORDER BY c.from_t DESC, c.line NULLS LAST LIMIT 1) AS c ON true
WHERE r.flags & (SELECT mask FROM rollup_barred) = 0
  AND NOT EXISTS (SELECT FROM exclusion AS e
                  WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'footfall') = 'footfall'
                    AND (e.node_id = r.node_id OR e.site_id = p.site_id)
                    AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t);

CREATE VIEW dash.health_1m AS
SELECT r.t, r.node_id, p.site_id, p.site, p.simulated,
       r.cpu_c, r.load_1min, r.throttled_bits, r.memory_free_bytes, r.disk_free_bytes,
       r.uptime_s, r.spool_records_n, r.spool_oldest_s, r.spool_days_left, r.clock_synced,
       r.clock_offset_ms, r.link, r.link_rssi_dbm, r.pir_share
FROM health_raw AS r
JOIN stay AS p ON p.node_id = r.node_id AND r.t >= p.from_t AND r.t < p.to_t;

CREATE VIEW dash.light_1h AS
SELECT k.hour AS t, k.hour, k.local_day, k.node_id, p.site_id, p.site, p.simulated,
       k.lux_mean, k.lux_min, k.lux_max, k.valid_s, least(k.valid_s / 3600, 1) AS coverage,
       k.calibration_id IS NOT NULL AS calibrated, k.flags
FROM light_1h AS k JOIN stay AS p USING (deployment_id) WHERE NOT k.excluded;

CREATE VIEW dash.noise_1h AS
SELECT k.hour AS t, k.hour, k.local_day, k.node_id, p.site_id, p.site, p.simulated,
       k.laeq AS laeq_db, k.lceq AS lceq_db, k.lafmax AS lafmax_db, k.lafmin AS lafmin_db,
       k.la10 AS la10_db, k.la50 AS la50_db, k.la90 AS la90_db, k.laeq_energy,
       k.valid_s, least(k.valid_s / 3600, 1) AS coverage,
       k.calibration_id IS NOT NULL AS calibrated, k.flags
FROM noise_1h AS k JOIN stay AS p USING (deployment_id) WHERE NOT k.excluded;

CREATE VIEW dash.footfall_1h AS
SELECT k.hour AS t, k.hour, k.local_day, k.node_id, p.site_id, p.site, p.simulated, k.line,
       k.a_to_b, k.b_to_a, k.a_to_b_counted, k.b_to_a_counted,
       k.valid_s, least(k.valid_s / 3600, 1) AS coverage,
       k.calibration_id IS NOT NULL AS calibrated, k.flags
FROM footfall_line_1h AS k JOIN stay AS p USING (deployment_id) WHERE NOT k.excluded;

CREATE VIEW dash.occupancy_1h AS
SELECT k.hour AS t, k.hour, k.local_day, k.node_id, p.site_id, p.site, p.simulated,
       k.occupancy_mean, k.valid_s, least(k.valid_s / 3600, 1) AS coverage, k.flags
FROM footfall_1h AS k JOIN stay AS p USING (deployment_id) WHERE NOT k.excluded;

CREATE VIEW dash.health_1h AS
SELECT k.hour AS t, k.hour, k.local_day, k.node_id, p.site_id, p.site, p.simulated,
       k.cpu_c_max, k.throttled_bits, k.disk_free_bytes_min, k.spool_records_n_max,
       k.spool_oldest_s_max, k.clock_offset_ms_max, k.link_rssi_dbm_min, k.pir_share,
       least(k.valid_s / 3600, 1) AS coverage
FROM health_1h AS k JOIN stay AS p USING (deployment_id);

-- Days: t is the local day's midnight in UTC, so that a panel's axis is right; dur_s the seconds
-- that the local day has, which coverage divides by.
--
-- Where clocks go back over midnight (Havana, the Azores) it strikes twice, and AT TIME ZONE takes
-- the second; the day begins at the first, as in Python (fold=0). To find it: on from three hours
-- earlier with the clock as it was then, for no clock is put back that far.
CREATE FUNCTION local_midnight(day date, tz text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT CASE WHEN e.early AT TIME ZONE tz = day::timestamp THEN least(e.early, l.late)
                ELSE l.late END
    FROM (SELECT day::timestamp AT TIME ZONE tz AS late) AS l
    CROSS JOIN LATERAL (SELECT l.late - interval '3 hours' AS t) AS b
    CROSS JOIN LATERAL (SELECT b.t + (day::timestamp - (b.t AT TIME ZONE tz)) AS early) AS e
);

CREATE FUNCTION local_day_s(day date, tz text) RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
RETURN extract(epoch FROM local_midnight(day + 1, tz) - local_midnight(day, tz))::double precision;

CREATE VIEW dash.light_1d AS
SELECT local_midnight(k.local_day, s.tz) AS t, k.local_day, k.node_id, p.site_id, p.site,
       p.simulated, k.lux_mean, k.lux_min, k.lux_max, k.valid_s,
       least(k.valid_s / local_day_s(k.local_day, s.tz), 1) AS coverage,
       k.calibration_id IS NOT NULL AS calibrated, k.flags
FROM light_1d AS k JOIN stay AS p USING (deployment_id) JOIN site AS s USING (site_id)
WHERE NOT k.excluded;

CREATE VIEW dash.noise_1d AS
SELECT local_midnight(k.local_day, s.tz) AS t, k.local_day, k.node_id, p.site_id, p.site,
       p.simulated, k.laeq AS laeq_db, k.lceq AS lceq_db, k.lafmax AS lafmax_db,
       k.lafmin AS lafmin_db, k.la10 AS la10_db, k.la50 AS la50_db, k.la90 AS la90_db,
       k.laeq_energy, k.valid_s, least(k.valid_s / local_day_s(k.local_day, s.tz), 1) AS coverage,
       k.calibration_id IS NOT NULL AS calibrated, k.flags
FROM noise_1d AS k JOIN stay AS p USING (deployment_id) JOIN site AS s USING (site_id)
WHERE NOT k.excluded;

CREATE VIEW dash.footfall_1d AS
SELECT local_midnight(k.local_day, s.tz) AS t, k.local_day, k.node_id, p.site_id, p.site,
       p.simulated, k.line, k.a_to_b, k.b_to_a, k.valid_s,
       least(k.valid_s / local_day_s(k.local_day, s.tz), 1) AS coverage,
       k.calibration_id IS NOT NULL AS calibrated, k.flags
FROM footfall_line_1d AS k JOIN stay AS p USING (deployment_id) JOIN site AS s USING (site_id)
WHERE NOT k.excluded;

CREATE VIEW dash.coverage_1h AS
SELECT c.hour AS t, c.hour, c.stream, c.node_id, p.site_id, p.site, p.simulated,
       c.coverage, c.valid_s, c.excluded
FROM coverage_1h AS c JOIN stay AS p USING (deployment_id);

-- The last record of each stream; received_at says how late it came.
CREATE VIEW dash.freshness AS
SELECT n.node_id, n.site_id, n.site, n.simulated, f.stream, f.t AS last_t,
       f.received_at AS last_received_at,
       extract(epoch FROM now() - f.t)::double precision AS age_s
FROM dash.nodes AS n
CROSS JOIN LATERAL (
    SELECT 'light' AS stream, x.* FROM (SELECT t, received_at FROM light_raw AS r
        WHERE r.node_id = n.node_id ORDER BY t DESC LIMIT 1) AS x
    UNION ALL SELECT 'noise', x.* FROM (SELECT t, received_at FROM noise_raw AS r
        WHERE r.node_id = n.node_id ORDER BY t DESC LIMIT 1) AS x
    UNION ALL SELECT 'footfall', x.* FROM (SELECT t, received_at FROM footfall_raw AS r
        WHERE r.node_id = n.node_id ORDER BY t DESC LIMIT 1) AS x
    UNION ALL SELECT 'health', x.* FROM (SELECT t, received_at FROM health_raw AS r
        WHERE r.node_id = n.node_id ORDER BY t DESC LIMIT 1) AS x
) AS f;

-- The last values with their times: null when that record measured nothing.
CREATE VIEW dash.latest AS
SELECT n.node_id, n.site_id, n.site, n.simulated,
       l.t AS light_t, l.lux, s.t AS noise_t, s.laeq_db, f.t AS footfall_t,
       c.crossings, f.dur_s AS footfall_dur_s
FROM dash.nodes AS n
LEFT JOIN LATERAL (SELECT t, lux FROM dash.light_1m AS x WHERE x.node_id = n.node_id
                   ORDER BY t DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT t, laeq_db FROM dash.noise_1m AS x WHERE x.node_id = n.node_id
                   ORDER BY t DESC LIMIT 1) AS s ON true
LEFT JOIN LATERAL (SELECT t, dur_s FROM footfall_raw AS x WHERE x.node_id = n.node_id
                   ORDER BY t DESC LIMIT 1) AS f ON true
LEFT JOIN LATERAL (SELECT jsonb_object_agg(
                       line, jsonb_build_object('a_to_b', a_to_b, 'b_to_a', b_to_a)) AS crossings
                   FROM dash.footfall AS x WHERE x.node_id = n.node_id AND x.t = f.t) AS c ON true;

CREATE VIEW dash.interventions AS
SELECT i.intervention_id, i.title, i.kind, i.planned_on, i.from_t, i.to_t, a.arm,
       a.site_id, s.name AS site
FROM intervention AS i JOIN intervention_site AS a USING (intervention_id)
JOIN site AS s USING (site_id);

-- How the platform itself is doing.
CREATE VIEW dash.platform AS
SELECT (SELECT count(*) FROM rollup_mark) AS marks_n,
       (SELECT count(*) FROM dead_letter WHERE replayed_at IS NULL) AS dead_letters_n,
       (SELECT count(*) FROM unknown_node) AS unknown_nodes_n,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM ledger, unnest(held) AS r) AS held_n,
       (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM ledger_gap) AS missing_n;

-- Anybody: counts of an hour and line, and only where they say nothing about single people. Under
-- 5 crossings, none included, the count is withheld: 5 as counted, for a calibration's gain makes
-- no crowd of three people, and 5 as shown, so that a small gain shows none either. There is one
-- grain, so that no difference of two grains gives one away. Lines are not summed, not even those
-- of one name at two nodes. withheld is null where the line was blind.
CREATE VIEW pub.footfall_1h AS
SELECT hour, site_id, site, node_id, line, simulated,
       CASE WHEN fewest >= 5 THEN people END AS crossings, fewest < 5 AS withheld, coverage
FROM (
    SELECT k.hour, k.site_id, k.site, k.node_id, k.line, k.simulated,
           round(sum(k.a_to_b + k.b_to_a))::integer AS people,
           least(sum(k.a_to_b_counted + k.b_to_a_counted), round(sum(k.a_to_b + k.b_to_a)))
               AS fewest,
           least(sum(k.valid_s) / 3600, 1) AS coverage
    FROM dash.footfall_1h AS k
    WHERE k.hour < date_trunc('hour', now())
    GROUP BY k.hour, k.site_id, k.site, k.node_id, k.line, k.simulated
    HAVING sum(k.valid_s) >= 3000
) AS h;

CREATE VIEW pub.light_1h AS
SELECT hour, site_id, site, node_id, simulated, lux_mean, coverage FROM dash.light_1h
WHERE hour < date_trunc('hour', now());

CREATE VIEW pub.noise_1h AS
SELECT hour, site_id, site, node_id, simulated, laeq_db, coverage FROM dash.noise_1h
WHERE hour < date_trunc('hour', now());

GRANT EXECUTE ON FUNCTION local_midnight(date, text), local_day_s(date, text) TO PUBLIC;
GRANT SELECT ON stay TO msl_api, msl_worker;
GRANT SELECT ON ALL TABLES IN SCHEMA dash TO msl_grafana, msl_api;
GRANT SELECT ON ALL TABLES IN SCHEMA pub TO msl_public, msl_api;
