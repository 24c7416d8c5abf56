-- 0006_rollup_views.sql: the hour as everybody reads it: kept rows, and marked hours from raw.
-- Why: a mark says that the kept row may be stale, so a reader recomputes that hour itself; kept
--   and computed come from one definition, `<stream>_1h_marked`, which the worker stores. What is
--   read is thus what raw, registry and flags say at that moment, whether the worker ran or not.
-- Units: as in 0005; corrected values are those of `calibration`: light gain x lx + offset, noise
--   dB + offset, footfall gain x count. la10, la50, la90: exceeded 10, 50, 90 % of the time,
--   interpolated within classes of 0.5 dB.
-- Transaction: yes. Undo: drop the views, functions and the aggregate.

-- Histograms: classes and how much fell in each, as two arrays side by side.
CREATE TYPE class_counts AS (class smallint[], n bigint[]);

-- Bodies are parsed here and now: no search_path of whoever calls can change what they mean.
CREATE FUNCTION class_counts_add(state class_counts, class smallint[], n bigint[])
RETURNS class_counts LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(state.class || class, state.n || n)::class_counts;

CREATE FUNCTION class_counts_merge(state class_counts)
RETURNS class_counts LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ROW(array_agg(c ORDER BY c), array_agg(total ORDER BY c))::class_counts
    FROM (SELECT c, sum(k)::bigint AS total FROM unnest(state.class, state.n) AS u(c, k)
          GROUP BY c) AS merged;
END;

CREATE AGGREGATE merge_classes(class smallint[], n bigint[]) (
    SFUNC = class_counts_add, STYPE = class_counts, FINALFUNC = class_counts_merge,
    INITCOND = '({},{})'
);

-- Level (dB) exceeded for `share` of the samples; null without any.
CREATE FUNCTION level_exceeded(class smallint[], n bigint[], share double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
    SELECT 0.5 * (c + 1 - (share * total - above) / k)
    FROM (SELECT c, k, sum(k) OVER ()::double precision AS total,
                 (sum(k) OVER (ORDER BY c DESC) - k)::double precision AS above
          FROM unnest(class, n) AS u(c, k)) AS counted
    WHERE above + k >= share * total
    ORDER BY c DESC LIMIT 1
$$;

CREATE FUNCTION lux_class(lux double precision) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT greatest(floor(8 * log(greatest(lux, 1e-9))), -16)::smallint $$;

CREATE VIEW rollup_barred AS
SELECT coalesce(bit_or(1 << bit), 0) AS mask FROM flag WHERE NOT rollup;

-- Until when each calibration holds.
CREATE VIEW calibration_epoch AS
SELECT calibration_id, node_id, quantity, from_t,
       lead(from_t, 1, 'infinity') OVER (PARTITION BY node_id, quantity ORDER BY from_t) AS to_t
FROM calibration WHERE revoked_at IS NULL AND quantity <> 'footfall';

CREATE VIEW light_1h_marked AS
SELECT m.node_id, m.hour, h.*
FROM (SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = 'light') AS m
CROSS JOIN LATERAL (
    SELECT d.deployment_id, c.calibration_id,
           EXISTS (SELECT FROM exclusion AS e
                   WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'light') = 'light'
                     AND (e.node_id = r.node_id OR e.site_id = d.site_id)
                     AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t
                  ) AS excluded,
           (r.t AT TIME ZONE coalesce(s.tz, 'UTC'))::date AS local_day,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           sum(r.lux_p50::double precision * r.valid_s) AS lux_s,
           min(r.lux_p50) AS lux_p50_min,
           max(r.lux_p50) AS lux_p50_max,
           (merge_classes(ARRAY[lux_class(r.lux_p50)], ARRAY[(r.valid_s * 1000)::bigint])
                FILTER (WHERE r.lux_p50 IS NOT NULL)).class AS lux_class,
           (merge_classes(ARRAY[lux_class(r.lux_p50)], ARRAY[(r.valid_s * 1000)::bigint])
                FILTER (WHERE r.lux_p50 IS NOT NULL)).n AS lux_class_ms
    FROM light_raw AS r
    LEFT JOIN deployment AS d
        ON d.node_id = r.node_id AND r.t >= d.from_t AND r.t < coalesce(d.to_t, 'infinity')
    LEFT JOIN site AS s ON s.site_id = d.site_id
    LEFT JOIN calibration_epoch AS c
        ON c.node_id = r.node_id AND c.quantity = 'light' AND r.t >= c.from_t AND r.t < c.to_t
    WHERE r.node_id = m.node_id AND r.t >= m.hour AND r.t < m.hour + interval '1 hour'
      AND r.flags & (SELECT mask FROM rollup_barred) = 0
    GROUP BY 1, 2, 3, 4
) AS h;

CREATE VIEW noise_1h_marked AS
SELECT m.node_id, m.hour, h.*
FROM (SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = 'noise') AS m
CROSS JOIN LATERAL (
    SELECT d.deployment_id, c.calibration_id,
           EXISTS (SELECT FROM exclusion AS e
                   WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'noise') = 'noise'
                     AND (e.node_id = r.node_id OR e.site_id = d.site_id)
                     AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t
                  ) AS excluded,
           (r.t AT TIME ZONE coalesce(s.tz, 'UTC'))::date AS local_day,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           sum(r.valid_s * power(10, r.laeq::double precision / 10)) AS laeq_energy,
           sum(r.valid_s * power(10, r.lceq::double precision / 10)) AS lceq_energy,
           max(r.lafmax) AS lafmax,
           min(r.lafmin) AS lafmin,
           sum(r.overload_n) AS overload_n,
           (merge_classes(r.laf_class, r.laf_n::bigint[])).class AS laf_class,
           (merge_classes(r.laf_class, r.laf_n::bigint[])).n AS laf_n
    FROM noise_raw AS r
    LEFT JOIN deployment AS d
        ON d.node_id = r.node_id AND r.t >= d.from_t AND r.t < coalesce(d.to_t, 'infinity')
    LEFT JOIN site AS s ON s.site_id = d.site_id
    LEFT JOIN calibration_epoch AS c
        ON c.node_id = r.node_id AND c.quantity = 'noise' AND r.t >= c.from_t AND r.t < c.to_t
    WHERE r.node_id = m.node_id AND r.t >= m.hour AND r.t < m.hour + interval '1 hour'
      AND r.flags & (SELECT mask FROM rollup_barred) = 0
    GROUP BY 1, 2, 3, 4
) AS h;

CREATE VIEW footfall_1h_marked AS
SELECT m.node_id, m.hour, h.*
FROM (SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = 'footfall') AS m
CROSS JOIN LATERAL (
    SELECT d.deployment_id,
           EXISTS (SELECT FROM exclusion AS e
                   WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'footfall') = 'footfall'
                     AND (e.node_id = r.node_id OR e.site_id = d.site_id)
                     AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t
                  ) AS excluded,
           (r.t AT TIME ZONE coalesce(s.tz, 'UTC'))::date AS local_day,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           sum(r.occupancy::double precision * r.valid_s) AS occupancy_s,
           coalesce(sum(r.valid_s::double precision) FILTER (WHERE r.occupancy IS NOT NULL), 0)
               AS occupancy_valid_s
    FROM footfall_raw AS r
    LEFT JOIN deployment AS d
        ON d.node_id = r.node_id AND r.t >= d.from_t AND r.t < coalesce(d.to_t, 'infinity')
    LEFT JOIN site AS s ON s.site_id = d.site_id
    WHERE r.node_id = m.node_id AND r.t >= m.hour AND r.t < m.hour + interval '1 hour'
      AND r.flags & (SELECT mask FROM rollup_barred) = 0
    GROUP BY 1, 2, 3
) AS h;

-- A line's own calibration and one of all lines follow each other in time; of two that begin
-- together the line's own holds.
CREATE VIEW footfall_line_1h_marked AS
SELECT m.node_id, m.hour, h.*
FROM (SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = 'footfall') AS m
CROSS JOIN LATERAL (
    SELECT d.deployment_id,
           (SELECT c.calibration_id FROM calibration AS c
            WHERE c.node_id = r.node_id AND c.quantity = 'footfall' AND c.revoked_at IS NULL
              AND c.from_t <= r.t AND coalesce(c.line, l.line) = l.line
            ORDER BY c.from_t DESC, c.line NULLS LAST LIMIT 1) AS calibration_id,
           EXISTS (SELECT FROM exclusion AS e
                   WHERE e.revoked_at IS NULL AND coalesce(e.stream, 'footfall') = 'footfall'
                     AND (e.node_id = r.node_id OR e.site_id = d.site_id)
                     AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t
                  ) AS excluded,
           (r.t AT TIME ZONE coalesce(s.tz, 'UTC'))::date AS local_day,
           l.line,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           sum(l.a_to_b) AS a_to_b,
           sum(l.b_to_a) AS b_to_a
    FROM footfall_raw AS r
    JOIN footfall_line_raw AS l
        ON l.t = r.t AND l.node_id = r.node_id AND l.spool = r.spool AND l.seq = r.seq
    LEFT JOIN deployment AS d
        ON d.node_id = r.node_id AND r.t >= d.from_t AND r.t < coalesce(d.to_t, 'infinity')
    LEFT JOIN site AS s ON s.site_id = d.site_id
    WHERE r.node_id = m.node_id AND r.t >= m.hour AND r.t < m.hour + interval '1 hour'
      AND l.node_id = m.node_id AND l.t >= m.hour AND l.t < m.hour + interval '1 hour'
      AND r.flags & (SELECT mask FROM rollup_barred) = 0
    GROUP BY 1, 2, 3, 4, 5
) AS h;

CREATE VIEW health_1h_marked AS
SELECT m.node_id, m.hour, h.*
FROM (SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = 'health') AS m
CROSS JOIN LATERAL (
    SELECT d.deployment_id,
           EXISTS (SELECT FROM exclusion AS e
                   WHERE e.revoked_at IS NULL AND e.stream IS NULL
                     AND (e.node_id = r.node_id OR e.site_id = d.site_id)
                     AND r.t < e.to_t AND r.t + make_interval(secs => r.dur_s) > e.from_t
                  ) AS excluded,
           (r.t AT TIME ZONE coalesce(s.tz, 'UTC'))::date AS local_day,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           max(r.cpu_c) AS cpu_c_max,
           bit_or(r.throttled_bits) AS throttled_bits,
           min(r.disk_free_bytes) AS disk_free_bytes_min,
           max(r.spool_records_n) AS spool_records_n_max,
           max(r.spool_oldest_s) AS spool_oldest_s_max,
           max(abs(r.clock_offset_ms)) AS clock_offset_ms_max,
           min(r.link_rssi_dbm) AS link_rssi_dbm_min,
           sum(r.pir_share::double precision * r.valid_s) AS pir_s,
           coalesce(sum(r.valid_s::double precision) FILTER (WHERE r.pir_share IS NOT NULL), 0)
               AS pir_valid_s
    FROM health_raw AS r
    LEFT JOIN deployment AS d
        ON d.node_id = r.node_id AND r.t >= d.from_t AND r.t < coalesce(d.to_t, 'infinity')
    LEFT JOIN site AS s ON s.site_id = d.site_id
    WHERE r.node_id = m.node_id AND r.t >= m.hour AND r.t < m.hour + interval '1 hour'
      AND r.flags & (SELECT mask FROM rollup_barred) = 0
    GROUP BY 1, 2, 3
) AS h;

-- Kept rows of unmarked hours, and marked hours as they are now. Columns must stand in one order.
DO $$
DECLARE
    part text;
    stream text;
    columns text;
BEGIN
    FOREACH part IN ARRAY ARRAY['light', 'noise', 'footfall', 'footfall_line', 'health'] LOOP
        stream := split_part(part, '_', 1);
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
        FROM pg_attribute
        WHERE attrelid = (part || '_1h_kept')::regclass AND attnum > 0 AND NOT attisdropped;
        EXECUTE format($q$
            CREATE VIEW %I AS
            SELECT %s FROM %I AS k
            WHERE NOT EXISTS (SELECT FROM rollup_mark AS m WHERE m.stream = %L
                              AND m.node_id = k.node_id AND m.hour = k.hour)
            UNION ALL SELECT %s FROM %I
        $q$, part || '_1h_now', columns, part || '_1h_kept', stream, columns,
             part || '_1h_marked');
    END LOOP;
END $$;

-- Corrected. A calibration that was revoked after its hours were sealed no longer applies, and
-- calibration_id then is null: it names what was applied, not what the kept row was summed under.
CREATE VIEW light_1h AS
SELECT k.node_id, k.hour, k.deployment_id, c.calibration_id, k.excluded, k.local_day,
       k.n, k.valid_s, k.dur_s, k.flags,
       f.gain * k.lux_s + f."offset" * k.valid_s AS lux_s,
       f.gain * k.lux_s / nullif(k.valid_s, 0) + f."offset" AS lux_mean,
       f.gain * k.lux_p50_min + f."offset" AS lux_min,
       f.gain * k.lux_p50_max + f."offset" AS lux_max,
       f.gain, f."offset" AS offset_lx,
       k.lux_class, k.lux_class_ms  -- of uncorrected lx
FROM light_1h_now AS k
LEFT JOIN calibration AS c ON c.calibration_id = k.calibration_id AND c.revoked_at IS NULL
CROSS JOIN LATERAL (SELECT coalesce(c.gain, 1) AS gain, coalesce(c."offset", 0) AS "offset") AS f;

CREATE VIEW noise_1h AS
SELECT k.node_id, k.hour, k.deployment_id, c.calibration_id, k.excluded, k.local_day,
       k.n, k.valid_s, k.dur_s, k.flags,
       k.laeq_energy * power(10, f.offset_db / 10) AS laeq_energy,
       k.lceq_energy * power(10, f.offset_db / 10) AS lceq_energy,
       10 * log(k.laeq_energy / nullif(k.valid_s, 0)) + f.offset_db AS laeq,
       10 * log(k.lceq_energy / nullif(k.valid_s, 0)) + f.offset_db AS lceq,
       k.lafmax + f.offset_db AS lafmax,
       k.lafmin + f.offset_db AS lafmin,
       level_exceeded(k.laf_class, k.laf_n, 0.1) + f.offset_db AS la10,
       level_exceeded(k.laf_class, k.laf_n, 0.5) + f.offset_db AS la50,
       level_exceeded(k.laf_class, k.laf_n, 0.9) + f.offset_db AS la90,
       k.overload_n, f.offset_db,
       k.laf_class, k.laf_n  -- of uncorrected dB
FROM noise_1h_now AS k
LEFT JOIN calibration AS c ON c.calibration_id = k.calibration_id AND c.revoked_at IS NULL
CROSS JOIN LATERAL (SELECT coalesce(c."offset", 0) AS offset_db) AS f;

CREATE VIEW footfall_1h AS
SELECT node_id, hour, deployment_id, excluded, local_day, n, valid_s, dur_s, flags,
       occupancy_s, occupancy_valid_s,
       occupancy_s / nullif(occupancy_valid_s, 0) AS occupancy_mean
FROM footfall_1h_now;

-- Counts over `valid_s`, not over the hour: an hour half seen is not half as busy.
CREATE VIEW footfall_line_1h AS
SELECT k.node_id, k.hour, k.deployment_id, c.calibration_id, k.excluded, k.local_day, k.line,
       k.n, k.valid_s, k.dur_s, k.flags,
       coalesce(c.gain, 1) * k.a_to_b AS a_to_b,
       coalesce(c.gain, 1) * k.b_to_a AS b_to_a,
       k.a_to_b AS a_to_b_counted, k.b_to_a AS b_to_a_counted,
       coalesce(c.gain, 1) AS gain
FROM footfall_line_1h_now AS k
LEFT JOIN calibration AS c ON c.calibration_id = k.calibration_id AND c.revoked_at IS NULL;

CREATE VIEW health_1h AS
SELECT k.*, k.pir_s / nullif(k.pir_valid_s, 0) AS pir_share FROM health_1h_now AS k;

-- Local days are exact sums of hours, of 23, 24 or 25 of them.
CREATE VIEW light_1d AS
SELECT node_id, local_day, deployment_id, calibration_id, excluded,
       sum(n) AS n, sum(valid_s) AS valid_s, sum(dur_s) AS dur_s, bit_or(flags) AS flags,
       sum(lux_s) AS lux_s, sum(lux_s) / nullif(sum(valid_s), 0) AS lux_mean,
       min(lux_min) AS lux_min, max(lux_max) AS lux_max,
       (merge_classes(lux_class, lux_class_ms)).class AS lux_class,
       (merge_classes(lux_class, lux_class_ms)).n AS lux_class_ms
FROM light_1h GROUP BY node_id, local_day, deployment_id, calibration_id, excluded;

CREATE VIEW noise_1d AS
SELECT d.node_id, d.local_day, d.deployment_id, d.calibration_id, d.excluded,
       d.n, d.valid_s, d.dur_s, d.flags, d.laeq_energy, d.lceq_energy,
       10 * log(d.laeq_energy / nullif(d.valid_s, 0)) AS laeq,
       10 * log(d.lceq_energy / nullif(d.valid_s, 0)) AS lceq,
       d.lafmax, d.lafmin,
       level_exceeded((d.laf).class, (d.laf).n, 0.1) + d.offset_db AS la10,
       level_exceeded((d.laf).class, (d.laf).n, 0.5) + d.offset_db AS la50,
       level_exceeded((d.laf).class, (d.laf).n, 0.9) + d.offset_db AS la90,
       d.overload_n, d.offset_db, (d.laf).class AS laf_class, (d.laf).n AS laf_n
FROM (
    SELECT node_id, local_day, deployment_id, calibration_id, excluded,
           sum(n) AS n, sum(valid_s) AS valid_s, sum(dur_s) AS dur_s, bit_or(flags) AS flags,
           sum(laeq_energy) AS laeq_energy, sum(lceq_energy) AS lceq_energy,
           max(lafmax) AS lafmax, min(lafmin) AS lafmin,
           sum(overload_n) AS overload_n, max(offset_db) AS offset_db,
           merge_classes(laf_class, laf_n) AS laf
    FROM noise_1h GROUP BY node_id, local_day, deployment_id, calibration_id, excluded
) AS d;

CREATE VIEW footfall_1d AS
SELECT node_id, local_day, deployment_id, excluded,
       sum(n) AS n, sum(valid_s) AS valid_s, sum(dur_s) AS dur_s, bit_or(flags) AS flags,
       sum(occupancy_s) AS occupancy_s, sum(occupancy_valid_s) AS occupancy_valid_s,
       sum(occupancy_s) / nullif(sum(occupancy_valid_s), 0) AS occupancy_mean
FROM footfall_1h GROUP BY node_id, local_day, deployment_id, excluded;

CREATE VIEW footfall_line_1d AS
SELECT node_id, local_day, deployment_id, calibration_id, excluded, line,
       sum(n) AS n, sum(valid_s) AS valid_s, sum(dur_s) AS dur_s, bit_or(flags) AS flags,
       sum(a_to_b) AS a_to_b, sum(b_to_a) AS b_to_a,
       sum(a_to_b_counted) AS a_to_b_counted, sum(b_to_a_counted) AS b_to_a_counted,
       max(gain) AS gain
FROM footfall_line_1h GROUP BY node_id, local_day, deployment_id, calibration_id, excluded, line;

CREATE VIEW health_1d AS
SELECT node_id, local_day, deployment_id, excluded,
       sum(n) AS n, sum(valid_s) AS valid_s, sum(dur_s) AS dur_s, bit_or(flags) AS flags,
       max(cpu_c_max) AS cpu_c_max, bit_or(throttled_bits) AS throttled_bits,
       min(disk_free_bytes_min) AS disk_free_bytes_min,
       max(spool_records_n_max) AS spool_records_n_max,
       max(spool_oldest_s_max) AS spool_oldest_s_max,
       max(clock_offset_ms_max) AS clock_offset_ms_max,
       min(link_rssi_dbm_min) AS link_rssi_dbm_min,
       sum(pir_s) / nullif(sum(pir_valid_s), 0) AS pir_share
FROM health_1h GROUP BY node_id, local_day, deployment_id, excluded;

-- Seconds measured of the hour's 3,600, by stay; an hour with no row is one with no records.
CREATE VIEW coverage_1h AS
SELECT stream, node_id, hour, deployment_id, sum(n) AS n, sum(valid_s) AS valid_s,
       sum(dur_s) AS dur_s, bit_or(flags) AS flags, bool_or(excluded) AS excluded,
       least(sum(valid_s) / 3600, 1) AS coverage
FROM (
    SELECT 'light' AS stream, node_id, hour, deployment_id, n, valid_s, dur_s, flags, excluded
    FROM light_1h_now
    UNION ALL SELECT 'noise', node_id, hour, deployment_id, n, valid_s, dur_s, flags, excluded
    FROM noise_1h_now
    UNION ALL SELECT 'footfall', node_id, hour, deployment_id, n, valid_s, dur_s, flags, excluded
    FROM footfall_1h_now
    UNION ALL SELECT 'health', node_id, hour, deployment_id, n, valid_s, dur_s, flags, excluded
    FROM health_1h_now
) AS h
GROUP BY stream, node_id, hour, deployment_id;

GRANT EXECUTE ON FUNCTION level_exceeded(smallint[], bigint[], double precision),
    lux_class(double precision), class_counts_add(class_counts, smallint[], bigint[]),
    class_counts_merge(class_counts), merge_classes(smallint[], bigint[]) TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO msl_api, msl_worker;
