-- 0002_raw.sql: what nodes sent, one wide row a record, never updated.
-- Why: wide rows carry five times the rate and a fifth of the bytes of one row a metric. The
--   unique index leads with t, so that inserts stay at the index's right edge; it is the second
--   guard of "once", the ledger (0003) being the first.
-- Units: t is the window's start (UTC); dur_s, valid_s in s; lux in lx; levels in dB re 20 µPa by
--   the nominal sensitivity of the origin; laf_class k covers k x 0.5 dB. Null: not measured.
-- Transaction: yes. Undo: drop the tables; the raw data goes with them.

CREATE EXTENSION IF NOT EXISTS timescaledb;

-- The contract's flag table, filled by the migration runner; bit n of every `flags` column.
CREATE TABLE flag (
    name       text PRIMARY KEY,
    bit        integer NOT NULL UNIQUE CHECK (bit BETWEEN 0 AND 30),
    meaning    text NOT NULL,
    rollup     boolean NOT NULL,
    kpi        boolean NOT NULL,
    evaluation boolean NOT NULL,
    export     boolean NOT NULL
);

-- Whose spool, which boot, which software and model: one row where raw would repeat four texts.
CREATE TABLE origin (
    origin_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id   text NOT NULL REFERENCES node,
    spool     text NOT NULL,
    boot      text NOT NULL,
    rev       text NOT NULL,
    sens_db   real,
    first_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (node_id, spool, boot, rev, sens_db)
);

CREATE TABLE light_raw (
    t              timestamptz NOT NULL,
    seq            bigint NOT NULL,
    received_at    timestamptz NOT NULL,
    origin_id      integer NOT NULL,
    flags          integer NOT NULL,
    dur_s          real NOT NULL,
    valid_s        real NOT NULL,
    lux_p10        real,
    lux_p50        real,
    lux_p90        real,
    lux_max        real,
    full_scale_lx  real,
    integration_ms real,
    samples_n      integer NOT NULL,
    node_id        text NOT NULL,
    spool          text NOT NULL,
    sensor         text NOT NULL
);

CREATE TABLE noise_raw (
    t           timestamptz NOT NULL,
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    origin_id   integer NOT NULL,
    flags       integer NOT NULL,
    dur_s       real NOT NULL,
    valid_s     real NOT NULL,
    laeq        real,
    lafmax      real,
    lafmin      real,
    la10        real,
    la50        real,
    la90        real,
    lceq        real,
    overload_n  integer NOT NULL,
    lost_n      integer NOT NULL,
    node_id     text NOT NULL,
    spool       text NOT NULL,
    laf_class   smallint[] NOT NULL,
    laf_n       integer[] NOT NULL,
    CHECK (cardinality(laf_class) = cardinality(laf_n))
);

CREATE TABLE footfall_raw (
    t            timestamptz NOT NULL,
    seq          bigint NOT NULL,
    received_at  timestamptz NOT NULL,
    origin_id    integer NOT NULL,
    flags        integer NOT NULL,
    dur_s        real NOT NULL,
    valid_s      real NOT NULL,
    occupancy    real,
    fps          real,
    scene_luma   real,
    geometry_rev integer NOT NULL,
    node_id      text NOT NULL,
    spool        text NOT NULL
);

-- Lines are never summed unless the site declares them a cordon.
CREATE TABLE footfall_line_raw (
    t       timestamptz NOT NULL,
    seq     bigint NOT NULL,
    a_to_b  integer,
    b_to_a  integer,
    node_id text NOT NULL,
    spool   text NOT NULL,
    line    text NOT NULL
);

CREATE TABLE health_raw (
    t                 timestamptz NOT NULL,
    seq               bigint NOT NULL,
    received_at       timestamptz NOT NULL,
    memory_free_bytes bigint,
    disk_free_bytes   bigint,
    uptime_s          double precision NOT NULL,
    spool_oldest_s    double precision,
    clock_offset_ms   double precision,
    origin_id         integer NOT NULL,
    flags             integer NOT NULL,
    dur_s             real NOT NULL,
    valid_s           real NOT NULL,
    cpu_c             real,
    load_1min         real,
    throttled_bits    integer,
    spool_records_n   integer,
    spool_days_left   real,
    link_rssi_dbm     real,
    pir_share         real,
    clock_synced      boolean,
    node_id           text NOT NULL,
    spool             text NOT NULL,
    clock_source      text,
    link              text,
    sensors           jsonb NOT NULL
);

CREATE TABLE event_raw (
    t           timestamptz NOT NULL,
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    origin_id   integer NOT NULL,
    flags       integer NOT NULL,
    dur_s       real NOT NULL,
    valid_s     real NOT NULL,
    node_id     text NOT NULL,
    spool       text NOT NULL,
    kind        text NOT NULL,
    body        jsonb NOT NULL
);

-- A week of 500 nodes is 5 million rows a stream: an index of some 300 MB, which a small server
-- keeps in memory. `msl work` can change the interval for later chunks.
SELECT create_hypertable(name::regclass, by_range('t', interval '7 days'),
                         create_default_indexes => false)
FROM unnest(ARRAY['light_raw', 'noise_raw', 'footfall_raw', 'footfall_line_raw', 'health_raw',
                  'event_raw']) AS name;

CREATE UNIQUE INDEX light_raw_once ON light_raw (t, node_id, spool, seq);
CREATE UNIQUE INDEX noise_raw_once ON noise_raw (t, node_id, spool, seq);
CREATE UNIQUE INDEX footfall_raw_once ON footfall_raw (t, node_id, spool, seq);
CREATE UNIQUE INDEX footfall_line_raw_once ON footfall_line_raw (t, node_id, spool, seq, line);
CREATE UNIQUE INDEX health_raw_once ON health_raw (t, node_id, spool, seq);
CREATE UNIQUE INDEX event_raw_once ON event_raw (t, node_id, spool, seq);
CREATE INDEX light_raw_node ON light_raw (node_id, t DESC);
CREATE INDEX noise_raw_node ON noise_raw (node_id, t DESC);
CREATE INDEX footfall_raw_node ON footfall_raw (node_id, t DESC);
CREATE INDEX footfall_line_raw_node ON footfall_line_raw (node_id, t DESC);
CREATE INDEX health_raw_node ON health_raw (node_id, t DESC);
CREATE INDEX event_raw_node ON event_raw (node_id, t DESC);

-- Births and wills: no seq, so their time is that of receipt.
CREATE TABLE node_status (
    received_at timestamptz NOT NULL,
    node_id     text NOT NULL REFERENCES node,
    state       text NOT NULL CHECK (state IN ('online', 'offline')),
    boot        text NOT NULL,
    rev         text NOT NULL,
    spool       text NOT NULL
);
CREATE INDEX node_status_latest ON node_status (node_id, received_at DESC);

-- Counts while a technician walks the line: kept 24 h, never rolled up or exported.
CREATE TABLE walk_test (
    t           timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    node_id     text NOT NULL REFERENCES node,
    dur_s       real NOT NULL,
    line        text NOT NULL,
    a_to_b      integer,
    b_to_a      integer
);
CREATE INDEX walk_test_node ON walk_test (node_id, t DESC);
