-- 0003_ledger.sql: which seq of every node, spool and stream have been received, and how.
-- Why: time can't tell a lost record from a window that never was; seq can. The ingest
--   transaction locks its ledger rows, inserts only what the ranges lack and merges them here,
--   so that "stored once" and "nothing missing" are facts of this table and not of any memory.
-- Units: int8multirange of seq; complete_to is the highest seq up to which nothing is missing.
-- Transaction: yes. Undo: drop the tables; ranges can be rebuilt from raw, held and dead_letter.

CREATE TABLE ledger (
    node_id    text NOT NULL REFERENCES node,
    spool      text NOT NULL,
    stream     text NOT NULL
               CHECK (stream IN ('light', 'noise', 'footfall', 'health', 'event')),
    stored     int8multirange NOT NULL DEFAULT '{}',
    rejected   int8multirange NOT NULL DEFAULT '{}',  -- in dead_letter
    held       int8multirange NOT NULL DEFAULT '{}',  -- in held_<stream>
    lost       int8multirange NOT NULL DEFAULT '{}',  -- declared by the node
    low        bigint NOT NULL DEFAULT 1,
    first_at   timestamptz NOT NULL DEFAULT now(),
    -- Last batch, and last record stored: a silent stream and a stream of repeats differ here.
    last_at    timestamptz NOT NULL DEFAULT now(),
    last_new_at timestamptz,
    PRIMARY KEY (node_id, spool, stream)
) WITH (fillfactor = 50);  -- every batch updates its row: leave room to do so in place

CREATE FUNCTION accounted(entry ledger) RETURNS int8multirange
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT entry.stored + entry.rejected + entry.held + entry.lost $$;

-- Highest seq up to which nothing is missing; 0 while seq 1 is: one below the first seq that
-- nobody has accounted for. No subquery, so that the planner can inline it.
CREATE FUNCTION complete_to(entry ledger) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT lower(int8multirange(int8range(1, NULL)) - accounted(entry)) - 1 $$;

-- Ranges between the first and the highest known seq that nobody has accounted for yet.
CREATE VIEW ledger_gap AS
SELECT node_id, spool, stream, lower(r) AS first_seq, upper(r) - 1 AS last_seq
FROM ledger, unnest(
    int8multirange(int8range(1, greatest(upper(accounted(ledger)), 1))) - accounted(ledger)
) AS r;

-- Why a range is in `lost`: what the node said, or what its `low` implied. Reasons may overlap, and
-- a record may arrive after all; what is lost now is `ledger.lost`, this says why.
CREATE TABLE loss (
    loss_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id   text NOT NULL,
    spool     text NOT NULL,
    stream    text NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL CHECK (last_seq >= first_seq),
    cause     text NOT NULL CHECK (cause IN ('below_low', 'spool_overflow', 'quarantine')),
    detail    text,
    at        timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (node_id, spool, stream) REFERENCES ledger
);
CREATE INDEX loss_of ON loss (node_id, spool, stream, first_seq);

-- Received, but not to be believed yet: same columns as raw, with why.
DO $$
DECLARE stream text;
BEGIN
    FOREACH stream IN ARRAY ARRAY['light', 'noise', 'footfall', 'footfall_line', 'health', 'event']
    LOOP
        EXECUTE format('CREATE TABLE held_%s (LIKE %s_raw, reason text NOT NULL
            CHECK (reason IN (''ahead'', ''before_creation'', ''clock_unsynced'', ''sealed'',
                              ''short'')))',
            stream, stream);
        EXECUTE format('CREATE UNIQUE INDEX ON held_%s (node_id, spool, seq %s)', stream,
            CASE WHEN stream = 'footfall_line' THEN ', line' ELSE '' END);
    END LOOP;
END $$;

-- What could not be stored, kept whole until somebody replays or purges it.
CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_payload_sha256 bytea NOT NULL UNIQUE,
    topic       text NOT NULL,
    payload     bytea NOT NULL,
    node_id     text,
    spool       text,
    stream      text,
    boot        text,
    rev         text,
    sens_db     real,
    -- The range that it accounts for in the ledger; null when even that wasn't legible.
    first_seq   bigint,
    last_seq    bigint,
    reason      text NOT NULL,
    count       bigint NOT NULL DEFAULT 1,
    first_at    timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
CREATE INDEX dead_letter_recent ON dead_letter (last_at DESC);

-- A certificate that the registry doesn't know: its data stays in the node's spool, unacknowledged,
-- until somebody registers it.
CREATE TABLE unknown_node (
    node_id  text NOT NULL,
    kind     text NOT NULL,
    count    bigint NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node_id, kind)
);

-- A walk test's message may be delivered twice.
CREATE UNIQUE INDEX walk_test_once ON walk_test (node_id, t, line);

-- Nonces that came back in a batch: the way from the server to the node and back works.
CREATE TABLE batch_nonce (
    node_id     text NOT NULL REFERENCES node,
    stream      text NOT NULL,
    nonce       text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node_id, stream, nonce)
);
GRANT SELECT, INSERT ON batch_nonce TO msl_ingest;

-- Hours whose rollups must be recomputed. Append-only: never unique, never upserted, since an
-- upsert onto a mark that a worker is just deleting would lose it.
CREATE TABLE rollup_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL,
    stream  text NOT NULL,
    hour    timestamptz NOT NULL
);
CREATE INDEX rollup_mark_of ON rollup_mark (stream, node_id, hour);

-- Raw before `before` is gone or going; what arrives for it later is held as `sealed`. The ingest
-- transaction takes a share lock on its row, so retention never moves it under a running insert.
CREATE TABLE rollup_seal (
    stream text PRIMARY KEY,
    before timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO rollup_seal (stream)
    VALUES ('light'), ('noise'), ('footfall'), ('health'), ('event');
