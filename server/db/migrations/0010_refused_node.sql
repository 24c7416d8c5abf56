-- 0010_refused_node.sql: nodes whose batches the ingester turns away although it knows them.
-- Why: a line of seq in thousands of pieces, or a node with a new spool every day, would make
--   everybody's transaction slow. Such a batch is left to the node's own spool, and must be seen.
-- Units: count in messages. Transaction: yes. Undo: drop both.

CREATE TABLE refused_node (
    node_id  text PRIMARY KEY REFERENCES node,
    reason   text NOT NULL,  -- the last one
    count    bigint NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON refused_node TO msl_ingest;
GRANT SELECT ON refused_node TO msl_api, msl_worker;

-- Ranges of the largest of the row's four sets: what makes a merge slow.
CREATE FUNCTION ranges_n(entry ledger) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(
        (SELECT count(*) FROM unnest(entry.stored)), (SELECT count(*) FROM unnest(entry.held)),
        (SELECT count(*) FROM unnest(entry.rejected)), (SELECT count(*) FROM unnest(entry.lost)))
$$;
GRANT EXECUTE ON FUNCTION ranges_n(ledger) TO PUBLIC;
