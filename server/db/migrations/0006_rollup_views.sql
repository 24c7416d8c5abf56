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
CREATE FUNCTION class_counts_merge(state class_counts)
RETURNS class_counts LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ROW(array_agg(c ORDER BY c), array_agg(total ORDER BY c))::class_counts
    FROM (SELECT c, sum(k)::bigint AS total FROM unnest(state.class, state.n) AS u(c, k)
          GROUP BY c) AS merged;
END;

-- Of a group's histograms, for `class_counts_merge`. array_cat is C: a function of ours called once
-- a record would take longer than everything else about it.
CREATE AGGREGATE concat_classes(anycompatiblearray) (
    SFUNC = array_cat, STYPE = anycompatiblearray, INITCOND = '{}', PARALLEL = SAFE
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

-- The same without a hole: the time before the first one, too, with no calibration.
CREATE VIEW calibration_span AS
SELECT node_id, quantity, calibration_id, from_t, to_t FROM calibration_epoch
UNION ALL
SELECT n.node_id, q.quantity, NULL, '-infinity', coalesce(
    (SELECT min(c.from_t) FROM calibration AS c
     WHERE c.node_id = n.node_id AND c.quantity = q.quantity AND c.revoked_at IS NULL), 'infinity')
FROM node AS n CROSS JOIN (VALUES ('light'), ('noise')) AS q(quantity);

-- Where a node stood, without a hole: deployment null before, between and after its stays.
CREATE VIEW place_span AS
SELECT d.node_id, d.deployment_id, d.site_id, s.tz, d.from_t, coalesce(d.to_t, 'infinity') AS to_t
FROM deployment AS d JOIN site AS s USING (site_id)
UNION ALL
SELECT * FROM (
    SELECT node_id, NULL::integer, NULL, 'UTC', coalesce(to_t, 'infinity') AS from_t,
           lead(from_t, 1, 'infinity') OVER (PARTITION BY node_id ORDER BY from_t) AS to_t
    FROM deployment
) AS hole WHERE from_t < to_t
UNION ALL
SELECT n.node_id, NULL, NULL, 'UTC', '-infinity', coalesce(
    (SELECT min(d.from_t) FROM deployment AS d WHERE d.node_id = n.node_id), 'infinity')
FROM node AS n;
CREATE INDEX deployment_node ON deployment (node_id, from_t);

-- Defines `<part>_1h_marked`, the marked hours as they are now, and `<part>_1h_of`, which works the
-- same out for hours that are named, for the worker. `body` gives the rows of one hour m; @span@ in
-- it stands for the spans of that hour in which place and calibration are the same, worked out once
-- an hour instead of once a record, and `barred` for the exclusions in reach of it. OFFSET 0 keeps
-- that order. (A view can't call the function: who reads the view may not read raw.)
CREATE PROCEDURE pg_temp.define_hours(part text, stream text, body text)
LANGUAGE plpgsql AS $define$
DECLARE
    calibrated boolean := stream IN ('light', 'noise');
    span text := format($q$(
        SELECT d.deployment_id, d.tz, %1$s AS calibration_id,
               greatest(m.hour, d.from_t, %2$s) AS from_t,
               least(m.hour + interval '1 hour', d.to_t, %3$s) AS to_t,
               (SELECT coalesce(range_agg(tstzrange(e.from_t, e.to_t)), '{}') FROM exclusion AS e
                WHERE e.revoked_at IS NULL AND coalesce(e.stream, %4$L) = %4$L
                  AND (e.node_id = m.node_id OR e.site_id = d.site_id)
                  AND e.to_t > m.hour AND e.from_t < m.hour + interval '1 day') AS barred
        FROM place_span AS d %5$s
        WHERE d.node_id = m.node_id AND d.from_t < m.hour + interval '1 hour' AND d.to_t > m.hour
        OFFSET 0) AS p$q$,
        CASE WHEN calibrated THEN 'c.calibration_id' ELSE 'NULL::integer' END,
        CASE WHEN calibrated THEN 'c.from_t' ELSE 'm.hour' END,
        CASE WHEN calibrated THEN 'c.to_t' ELSE $q$'infinity'$q$ END, stream,
        CASE WHEN calibrated THEN format($q$
            JOIN calibration_span AS c ON c.node_id = m.node_id AND c.quantity = %L
                AND c.from_t < m.hour + interval '1 hour' AND c.to_t > m.hour
                AND c.from_t < d.to_t AND c.to_t > d.from_t$q$, stream) ELSE '' END);
    raw text := format($q$
        CROSS JOIN LATERAL (
            SELECT * FROM %I AS x
            WHERE x.node_id = m.node_id AND x.t >= p.from_t AND x.t < p.to_t
              AND x.flags & (SELECT mask FROM rollup_barred) = 0
            OFFSET 0) AS r$q$, stream || '_raw');
    excluded text := $q$CASE WHEN p.barred = '{}' THEN false ELSE p.barred
        && tstzrange(r.t, r.t + make_interval(secs => r.dur_s)) END$q$;
    hours text := format('SELECT m.node_id, m.hour, h.* FROM %%s CROSS JOIN LATERAL (%s) AS h',
        replace(replace(body, '@span@', span || raw), '@excluded@', excluded));
BEGIN
    EXECUTE format('CREATE VIEW %I AS ' || hours, part || '_1h_marked', format(
        '(SELECT DISTINCT node_id, hour FROM rollup_mark WHERE stream = %L) AS m', stream));
    EXECUTE format('CREATE FUNCTION %I(nodes text[], hours timestamptz[]) RETURNS SETOF %I
        LANGUAGE sql STABLE ROWS 5000 AS $f$' || hours || '$f$', part || '_1h_of',
        part || '_1h_kept', 'unnest(nodes, hours) AS m(node_id, hour)');
    EXECUTE format('GRANT EXECUTE ON FUNCTION %I TO msl_worker', part || '_1h_of');
END $define$;

CALL pg_temp.define_hours('light', 'light', $q$
    SELECT g.deployment_id, g.calibration_id, g.excluded, g.local_day, g.n, g.valid_s, g.dur_s,
           g.flags, g.lux_s, g.lux_p50_min, g.lux_p50_max,
           (g.lux).class AS lux_class, (g.lux).n AS lux_class_ms
    FROM (
        SELECT p.deployment_id, p.calibration_id, @excluded@ AS excluded,
               (r.t AT TIME ZONE p.tz)::date AS local_day,
               count(*)::integer AS n,
               sum(r.valid_s::double precision) AS valid_s,
               sum(r.dur_s::double precision) AS dur_s,
               bit_or(r.flags) AS flags,
               sum(r.lux_p50::double precision * r.valid_s) AS lux_s,
               min(r.lux_p50) AS lux_p50_min,
               max(r.lux_p50) AS lux_p50_max,
               class_counts_merge(ROW(
                   array_agg(lux_class(r.lux_p50)) FILTER (WHERE r.lux_p50 IS NOT NULL),
                   array_agg((r.valid_s * 1000)::bigint) FILTER (WHERE r.lux_p50 IS NOT NULL)
               )::class_counts) AS lux
        FROM @span@
        GROUP BY 1, 2, 3, 4
    ) AS g
$q$);

CALL pg_temp.define_hours('noise', 'noise', $q$
    SELECT g.deployment_id, g.calibration_id, g.excluded, g.local_day, g.n, g.valid_s, g.dur_s,
           g.flags, g.laeq_energy, g.lceq_energy, g.lafmax, g.lafmin, g.overload_n,
           (g.laf).class AS laf_class, (g.laf).n AS laf_n,
           level_exceeded((g.laf).class, (g.laf).n, 0.1) AS la10,
           level_exceeded((g.laf).class, (g.laf).n, 0.5) AS la50,
           level_exceeded((g.laf).class, (g.laf).n, 0.9) AS la90
    FROM (
        SELECT p.deployment_id, p.calibration_id, @excluded@ AS excluded,
               (r.t AT TIME ZONE p.tz)::date AS local_day,
               count(*)::integer AS n,
               sum(r.valid_s::double precision) AS valid_s,
               sum(r.dur_s::double precision) AS dur_s,
               bit_or(r.flags) AS flags,
               sum(r.valid_s * power(10, r.laeq::double precision / 10)) AS laeq_energy,
               sum(r.valid_s * power(10, r.lceq::double precision / 10)) AS lceq_energy,
               max(r.lafmax) AS lafmax,
               min(r.lafmin) AS lafmin,
               sum(r.overload_n) AS overload_n,
               class_counts_merge(ROW(concat_classes(r.laf_class),
                   concat_classes(r.laf_n)::bigint[])::class_counts) AS laf
        FROM @span@
        GROUP BY 1, 2, 3, 4
    ) AS g
$q$);

CALL pg_temp.define_hours('footfall', 'footfall', $q$
    SELECT p.deployment_id, @excluded@ AS excluded, (r.t AT TIME ZONE p.tz)::date AS local_day,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           sum(r.occupancy::double precision * r.valid_s) AS occupancy_s,
           coalesce(sum(r.valid_s::double precision) FILTER (WHERE r.occupancy IS NOT NULL), 0)
               AS occupancy_valid_s
    FROM @span@
    GROUP BY 1, 2, 3
$q$);

-- A line's own calibration and one of all lines follow each other in time; of two that begin
-- together the line's own holds.
CALL pg_temp.define_hours('footfall_line', 'footfall', $q$
    SELECT p.deployment_id,
           (SELECT c.calibration_id FROM calibration AS c
            WHERE c.node_id = r.node_id AND c.quantity = 'footfall' AND c.revoked_at IS NULL
              AND c.from_t <= r.t AND coalesce(c.line, l.line) = l.line
            ORDER BY c.from_t DESC, c.line NULLS LAST LIMIT 1) AS calibration_id,
           @excluded@ AS excluded, (r.t AT TIME ZONE p.tz)::date AS local_day,
           l.line,
           count(*)::integer AS n,
           sum(r.valid_s::double precision) AS valid_s,
           sum(r.dur_s::double precision) AS dur_s,
           bit_or(r.flags) AS flags,
           sum(l.a_to_b) AS a_to_b,
           sum(l.b_to_a) AS b_to_a
    FROM @span@
    JOIN LATERAL (SELECT * FROM footfall_line_raw AS x
                  WHERE x.node_id = m.node_id AND x.t = r.t AND x.spool = r.spool
                    AND x.seq = r.seq OFFSET 0) AS l ON true
    GROUP BY 1, 2, 3, 4, 5
$q$);

CALL pg_temp.define_hours('health', 'health', $q$
    SELECT p.deployment_id, @excluded@ AS excluded, (r.t AT TIME ZONE p.tz)::date AS local_day,
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
    FROM @span@
    GROUP BY 1, 2, 3
$q$);
DROP PROCEDURE pg_temp.define_hours(text, text, text);

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
       k.la10 + f.offset_db AS la10, k.la50 + f.offset_db AS la50, k.la90 + f.offset_db AS la90,
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
SELECT d.node_id, d.local_day, d.deployment_id, d.calibration_id, d.excluded,
       d.n, d.valid_s, d.dur_s, d.flags, d.lux_s, d.lux_s / nullif(d.valid_s, 0) AS lux_mean,
       d.lux_min, d.lux_max, (d.lux).class AS lux_class, (d.lux).n AS lux_class_ms
FROM (
    SELECT node_id, local_day, deployment_id, calibration_id, excluded,
           sum(n) AS n, sum(valid_s) AS valid_s, sum(dur_s) AS dur_s, bit_or(flags) AS flags,
           sum(lux_s) AS lux_s, min(lux_min) AS lux_min, max(lux_max) AS lux_max,
           class_counts_merge(ROW(concat_classes(lux_class), concat_classes(lux_class_ms))
               ::class_counts) AS lux
    FROM light_1h GROUP BY node_id, local_day, deployment_id, calibration_id, excluded
) AS d;

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
           class_counts_merge(ROW(concat_classes(laf_class), concat_classes(laf_n))
               ::class_counts) AS laf
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
    lux_class(double precision), class_counts_merge(class_counts),
    concat_classes(anycompatiblearray) TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO msl_api, msl_worker;
