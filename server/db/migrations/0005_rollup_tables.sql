-- 0005_rollup_tables.sql: hourly sufficient statistics, and the marks that registry changes leave.
-- Why: a year's panel would scan a quarter of a million raw rows a node and stream. Kept rows are
--   never corrected: they carry sums per deployment, calibration and exclusion, so that a
--   calibration is applied on read, and a change of epoch recomputes the hours it touches.
-- Units: hour is UTC; local_day is the date in the site's zone (UTC where there is none) and part
--   of the key, so that an hour in which a local day begins is two rows and days add up exactly.
--   lux_s in lx s; energies in s x 10^(dB/10); lux_class k covers 10^(k/8) lx up to 10^((k+1)/8),
--   -16 and below together; laf_class k covers k x 0.5 dB. An hour without records has no row,
--   never a zero; sums are null where nothing was measured.
-- Transaction: yes. Undo: drop the tables and triggers; marks rebuild them from raw.

CREATE TABLE light_1h_kept (
    node_id        text NOT NULL,
    hour           timestamptz NOT NULL,
    deployment_id  integer,
    calibration_id integer,
    excluded       boolean NOT NULL,
    local_day      date NOT NULL,
    n              integer NOT NULL,
    valid_s        double precision NOT NULL,
    dur_s          double precision NOT NULL,
    flags          integer NOT NULL,
    lux_s          double precision,
    lux_p50_min    real,
    lux_p50_max    real,
    lux_class      smallint[],
    lux_class_ms   bigint[],
    UNIQUE NULLS NOT DISTINCT
        (node_id, hour, deployment_id, calibration_id, excluded, local_day)
);

CREATE TABLE noise_1h_kept (
    node_id        text NOT NULL,
    hour           timestamptz NOT NULL,
    deployment_id  integer,
    calibration_id integer,
    excluded       boolean NOT NULL,
    local_day      date NOT NULL,
    n              integer NOT NULL,
    valid_s        double precision NOT NULL,
    dur_s          double precision NOT NULL,
    flags          integer NOT NULL,
    laeq_energy    double precision,
    lceq_energy    double precision,
    lafmax         real,
    lafmin         real,
    overload_n     bigint NOT NULL,
    laf_class      smallint[],
    laf_n          bigint[],
    la10           double precision,
    la50           double precision,
    la90           double precision,
    UNIQUE NULLS NOT DISTINCT
        (node_id, hour, deployment_id, calibration_id, excluded, local_day)
);

-- A record's own: a window without a line still says how long the camera saw.
CREATE TABLE footfall_1h_kept (
    node_id           text NOT NULL,
    hour              timestamptz NOT NULL,
    deployment_id     integer,
    excluded          boolean NOT NULL,
    local_day         date NOT NULL,
    n                 integer NOT NULL,
    valid_s           double precision NOT NULL,
    dur_s             double precision NOT NULL,
    flags             integer NOT NULL,
    occupancy_s       double precision,
    occupancy_valid_s double precision NOT NULL,
    UNIQUE NULLS NOT DISTINCT (node_id, hour, deployment_id, excluded, local_day)
);

CREATE TABLE footfall_line_1h_kept (
    node_id        text NOT NULL,
    hour           timestamptz NOT NULL,
    deployment_id  integer,
    calibration_id integer,
    excluded       boolean NOT NULL,
    local_day      date NOT NULL,
    line           text NOT NULL,
    n              integer NOT NULL,
    valid_s        double precision NOT NULL,
    dur_s          double precision NOT NULL,
    flags          integer NOT NULL,
    a_to_b         bigint,
    b_to_a         bigint,
    UNIQUE NULLS NOT DISTINCT
        (node_id, hour, deployment_id, calibration_id, excluded, local_day, line)
);

CREATE TABLE health_1h_kept (
    node_id             text NOT NULL,
    hour                timestamptz NOT NULL,
    deployment_id       integer,
    excluded            boolean NOT NULL,
    local_day           date NOT NULL,
    n                   integer NOT NULL,
    valid_s             double precision NOT NULL,
    dur_s               double precision NOT NULL,
    flags               integer NOT NULL,
    cpu_c_max           real,
    throttled_bits      integer,
    disk_free_bytes_min bigint,
    spool_records_n_max integer,
    spool_oldest_s_max  double precision,
    clock_offset_ms_max double precision,
    link_rssi_dbm_min   real,
    pir_s               double precision,
    pir_valid_s         double precision NOT NULL,
    UNIQUE NULLS NOT DISTINCT (node_id, hour, deployment_id, excluded, local_day)
);

-- Hours that hold rolled-up data, or are about to.
CREATE VIEW rollup_hour AS
SELECT 'light' AS stream, node_id, hour FROM light_1h_kept
UNION ALL SELECT 'noise', node_id, hour FROM noise_1h_kept
UNION ALL SELECT 'footfall', node_id, hour FROM footfall_1h_kept
UNION ALL SELECT 'health', node_id, hour FROM health_1h_kept
UNION ALL SELECT stream, node_id, hour FROM rollup_mark;

-- A mark where raw is gone would make the worker recompute an hour from nothing and lose it.
CREATE FUNCTION refuse_sealed_marks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    m record;
BEGIN
    SELECT n.stream, n.node_id, n.hour, s.before INTO m
    FROM new_marks AS n JOIN rollup_seal AS s USING (stream)
    WHERE n.hour + interval '1 hour' <= s.before LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'mark of % % at % refused: % is sealed before %',
            m.node_id, m.stream, m.hour, m.stream, m.before USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_sealed AFTER INSERT ON rollup_mark REFERENCING NEW TABLE AS new_marks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_sealed_marks();

-- Held for the session by the worker around each of its transactions, and shared to their end by
-- transactions that change what a rollup depends on. Without it, a worker whose snapshot lacks
-- such a change could take the mark of data that the change in turn did not see.
CREATE FUNCTION rollup_lock_key() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 7301201467 $$;

-- Mark hours that hold data, are not sealed, and overlap [from_t, to_t); node null: of all nodes.
CREATE FUNCTION mark_hours(node text, streams text[], from_t timestamptz, to_t timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'registry changes need read committed, not %: an older snapshot misses '
            'hours that must be marked', current_setting('transaction_isolation');
    END IF;
    PERFORM pg_advisory_xact_lock_shared(rollup_lock_key());
    PERFORM FROM rollup_seal FOR SHARE;  -- retention must not pass us by
    INSERT INTO rollup_mark (node_id, stream, hour)
        SELECT DISTINCT h.node_id, h.stream, h.hour
        FROM rollup_hour AS h JOIN rollup_seal AS s USING (stream)
        WHERE (node IS NULL OR h.node_id = node) AND h.stream = ANY (streams)
          AND h.hour >= s.before
          AND h.hour > from_t - interval '1 hour' AND h.hour < coalesce(to_t, 'infinity');
    PERFORM pg_notify('msl_work', '');
END $$;

CREATE FUNCTION mark_deployment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE streams text[] := ARRAY['light', 'noise', 'footfall', 'health'];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM mark_hours(OLD.node_id, streams, OLD.from_t, OLD.to_t);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM mark_hours(NEW.node_id, streams, NEW.from_t, NEW.to_t);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER rollup_change AFTER INSERT OR DELETE ON deployment
    FOR EACH ROW EXECUTE FUNCTION mark_deployment();
CREATE TRIGGER rollup_update AFTER UPDATE OF node_id, site_id, from_t, to_t ON deployment
    FOR EACH ROW EXECUTE FUNCTION mark_deployment();

-- Another zone, other local days.
CREATE FUNCTION mark_site() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM mark_hours(d.node_id, ARRAY['light', 'noise', 'footfall', 'health'], d.from_t, d.to_t)
    FROM deployment AS d WHERE d.site_id = NEW.site_id;
    RETURN NULL;
END $$;
CREATE TRIGGER rollup_update AFTER UPDATE OF tz ON site
    FOR EACH ROW WHEN (OLD.tz <> NEW.tz) EXECUTE FUNCTION mark_site();

-- A calibration ends where the next one begins, which may itself have come or gone: to be safe,
-- all hours after it.
CREATE FUNCTION mark_calibration() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM mark_hours(OLD.node_id, ARRAY[OLD.quantity], OLD.from_t, NULL);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM mark_hours(NEW.node_id, ARRAY[NEW.quantity], NEW.from_t, NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER rollup_change AFTER INSERT OR DELETE ON calibration
    FOR EACH ROW EXECUTE FUNCTION mark_calibration();
CREATE TRIGGER rollup_update
    AFTER UPDATE OF node_id, quantity, line, from_t, revoked_at ON calibration
    FOR EACH ROW EXECUTE FUNCTION mark_calibration();

-- A record that overlaps an exclusion may have begun an hour before it, the longest window.
CREATE FUNCTION mark_one_exclusion(e exclusion) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT mark_hours(
        node, CASE WHEN e.stream IS NULL THEN ARRAY['light', 'noise', 'footfall', 'health']
                   ELSE ARRAY[e.stream] END,
        e.from_t - interval '1 hour', e.to_t)
    FROM (SELECT e.node_id WHERE e.node_id IS NOT NULL
          UNION SELECT d.node_id FROM deployment AS d WHERE d.site_id = e.site_id) AS hit(node)
$$;
CREATE FUNCTION mark_exclusion() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM mark_one_exclusion(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM mark_one_exclusion(NEW);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER rollup_change AFTER INSERT OR UPDATE OR DELETE ON exclusion
    FOR EACH ROW EXECUTE FUNCTION mark_exclusion();

-- A flag that begins or ceases to bar records: every hour that holds one of them. Reads raw once.
CREATE FUNCTION mark_flag() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE stream_name text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rollup_lock_key());
    PERFORM FROM rollup_seal FOR SHARE;
    FOREACH stream_name IN ARRAY ARRAY['light', 'noise', 'footfall', 'health'] LOOP
        EXECUTE format($q$
            INSERT INTO rollup_mark (node_id, stream, hour)
            SELECT DISTINCT r.node_id, s.stream, date_trunc('hour', r.t, 'UTC')
            FROM %I AS r, rollup_seal AS s
            WHERE s.stream = $1 AND r.t >= s.before AND r.flags & (1 << $2) <> 0
        $q$, stream_name || '_raw') USING stream_name, NEW.bit;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER rollup_update AFTER UPDATE OF rollup ON flag
    FOR EACH ROW WHEN (OLD.rollup <> NEW.rollup) EXECUTE FUNCTION mark_flag();

GRANT EXECUTE ON FUNCTION rollup_lock_key() TO msl_worker;
GRANT SELECT ON light_1h_kept, noise_1h_kept, footfall_1h_kept, footfall_line_1h_kept,
    health_1h_kept, rollup_hour TO msl_api, msl_worker;
GRANT INSERT, DELETE ON light_1h_kept, noise_1h_kept, footfall_1h_kept, footfall_line_1h_kept,
    health_1h_kept TO msl_worker;
