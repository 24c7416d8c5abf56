-- 0001_registry.sql: who measures what, where, since when: labs, sites, nodes and dated rows.
-- Why: raw measurements are never updated. What changes their meaning (place, calibration,
--   exclusion, clock) is a dated row here, applied by views, so that one row changes every number
--   derived from the period it covers and leaves the measurement alone.
-- Units: latitude, longitude in degrees (WGS 84); height in m; azimuth in degrees from north.
-- Transaction: yes. Undo: drop the tables in reverse order; no raw data is touched.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE lab (
    lab_id     text PRIMARY KEY CHECK (lab_id ~ '^[a-z0-9-]{2,32}$'),
    name       text NOT NULL,
    contact    text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE site (
    site_id        text PRIMARY KEY CHECK (site_id ~ '^[a-z0-9-]{2,32}$'),
    lab_id         text NOT NULL REFERENCES lab,
    name           text NOT NULL,
    -- A zone that PostgreSQL doesn't know would break every view: this raises for one.
    tz             text NOT NULL CHECK (timestamptz 'epoch' AT TIME ZONE tz IS NOT NULL),
    latitude       double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude      double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    lighting_class text,
    -- Declared by the site: its lines close it off, so their counts may be summed.
    cordon         boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TYPE node_state AS ENUM
    ('created', 'enrolled', 'installed', 'commissioned', 'maintenance', 'retired');

CREATE TABLE node (
    node_id    text PRIMARY KEY
               CHECK (node_id ~ '^[a-z0-9-]{3,32}$' AND node_id NOT LIKE 'srv-%'),
    lab_id     text NOT NULL REFERENCES lab,
    state      node_state NOT NULL DEFAULT 'created',
    simulated  boolean NOT NULL DEFAULT false,
    note       text,
    -- Records from before this are held: the node did not exist yet, so its clock was wrong.
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE deployment (
    deployment_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id       text NOT NULL REFERENCES node,
    site_id       text NOT NULL REFERENCES site,
    from_t        timestamptz NOT NULL,
    to_t          timestamptz CHECK (to_t > from_t),
    mount         text,
    height_m      real CHECK (height_m BETWEEN 0 AND 50),
    azimuth_deg   real CHECK (azimuth_deg >= 0 AND azimuth_deg < 360),
    latitude      double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude     double precision CHECK (longitude BETWEEN -180 AND 180),
    -- A node is in one place at a time.
    EXCLUDE USING gist (node_id WITH =, tstzrange(from_t, to_t) WITH &&)
);
CREATE INDEX deployment_site ON deployment (site_id, from_t);

-- corrected light = gain x reading + "offset" (lx); noise = reading + "offset" (dB);
-- footfall = gain x count, of one line or of all. Holds from from_t until the next one.
CREATE TABLE calibration (
    calibration_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id        text NOT NULL REFERENCES node,
    quantity       text NOT NULL CHECK (quantity IN ('light', 'noise', 'footfall')),
    line           text CHECK (line IS NULL OR quantity = 'footfall'),
    from_t         timestamptz NOT NULL,
    gain           double precision NOT NULL DEFAULT 1 CHECK (gain > 0),
    "offset"       double precision NOT NULL DEFAULT 0,
    uncertainty    double precision CHECK (uncertainty >= 0),
    reference      text NOT NULL,
    -- The node's event that it was accepted from, as node/spool/seq; null: entered by hand.
    event          text,
    revoked_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (quantity <> 'noise' OR gain = 1),
    CHECK (quantity <> 'footfall' OR "offset" = 0)
);
CREATE UNIQUE INDEX calibration_one_at_a_time
    ON calibration (node_id, quantity, coalesce(line, ''), from_t) WHERE revoked_at IS NULL;

CREATE TABLE exclusion (
    exclusion_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id      text REFERENCES node,
    site_id      text REFERENCES site,
    stream       text CHECK (stream IN ('light', 'noise', 'footfall')),  -- null: all
    from_t       timestamptz NOT NULL,
    to_t         timestamptz NOT NULL CHECK (to_t > from_t),
    reason       text NOT NULL,
    revoked_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((node_id IS NULL) <> (site_id IS NULL))
);

-- Releases held records of one boot: their t moves by offset_ms.
CREATE TABLE clock_correction (
    correction_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id       text NOT NULL REFERENCES node,
    spool         text NOT NULL,
    boot          text NOT NULL,
    offset_ms     bigint NOT NULL,
    reason        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (node_id, spool, boot)
);

CREATE TABLE intervention (
    intervention_id text PRIMARY KEY CHECK (intervention_id ~ '^[a-z0-9-]{2,48}$'),
    lab_id          text NOT NULL REFERENCES lab,
    title           text NOT NULL,
    kind            text NOT NULL,
    planned_on      date,
    from_t          timestamptz,  -- installation began
    to_t            timestamptz CHECK (to_t >= from_t),  -- and was done
    note            text,
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- The only place where arms live.
CREATE TABLE intervention_site (
    intervention_id text NOT NULL REFERENCES intervention ON DELETE CASCADE,
    site_id         text NOT NULL REFERENCES site,
    arm             text NOT NULL CHECK (arm IN ('treated', 'control', 'buffer')),
    PRIMARY KEY (intervention_id, site_id)
);

-- Who changed what; written by triggers, so that no way round the code goes unrecorded.
CREATE TABLE audit (
    audit_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor     text NOT NULL,
    action    text NOT NULL,
    object    text NOT NULL,
    object_id text NOT NULL,
    before    jsonb,
    after     jsonb
);

-- Runs as its owner, so that nobody needs the right to write here, and nobody has it.
CREATE FUNCTION audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    now_is jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    id_of jsonb := coalesce(now_is, was);
BEGIN
    INSERT INTO audit (actor, action, object, object_id, before, after) VALUES (
        coalesce(nullif(current_setting('msl.actor', true), ''), session_user),
        lower(TG_OP), TG_TABLE_NAME,
        concat_ws('/', VARIADIC (SELECT array_agg(id_of ->> key) FROM unnest(TG_ARGV) AS key)),
        was, now_is
    );
    RETURN NULL;
END $$;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON lab
    FOR EACH ROW EXECUTE FUNCTION audit_change('lab_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON site
    FOR EACH ROW EXECUTE FUNCTION audit_change('site_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON node
    FOR EACH ROW EXECUTE FUNCTION audit_change('node_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON deployment
    FOR EACH ROW EXECUTE FUNCTION audit_change('deployment_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON calibration
    FOR EACH ROW EXECUTE FUNCTION audit_change('calibration_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON exclusion
    FOR EACH ROW EXECUTE FUNCTION audit_change('exclusion_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON clock_correction
    FOR EACH ROW EXECUTE FUNCTION audit_change('correction_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON intervention
    FOR EACH ROW EXECUTE FUNCTION audit_change('intervention_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON intervention_site
    FOR EACH ROW EXECUTE FUNCTION audit_change('intervention_id', 'site_id');
