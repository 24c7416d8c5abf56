-- 0004_grants.sql: what each role may do with the tables so far; later files grant for their own.
-- Why: a process that is broken into can do no more than its own work. The ingester can't read a
--   measurement back, nobody but the owner can change one, nobody can write the audit.
-- Units: none. Transaction: yes. Undo: REVOKE the same.

-- Ingest: appends records. Reads only what says whether a record is there (ON CONFLICT needs that).
GRANT SELECT ON lab, site, node, deployment, calibration, exclusion, clock_correction, flag
    TO msl_ingest;
GRANT SELECT, INSERT ON origin, loss, node_status TO msl_ingest;
GRANT INSERT ON walk_test, rollup_mark TO msl_ingest;
GRANT SELECT, INSERT, UPDATE ON ledger TO msl_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter, unknown_node TO msl_ingest;
-- A share lock on the seal takes the right to update some column of it; the key moves nothing.
GRANT SELECT, UPDATE (stream) ON rollup_seal TO msl_ingest;
GRANT SELECT ON ledger_gap TO msl_ingest;

DO $$
DECLARE
    stream text;
    place text;
BEGIN
    FOREACH stream IN ARRAY ARRAY['light', 'noise', 'footfall', 'footfall_line', 'health', 'event']
    LOOP
        FOREACH place IN ARRAY ARRAY[stream || '_raw', 'held_' || stream] LOOP
            EXECUTE format('GRANT INSERT, SELECT (t, node_id, spool, seq%s) ON %I TO msl_ingest',
                CASE WHEN stream = 'footfall_line' THEN ', line'
                     ELSE ', received_at, origin_id, flags' END, place);
        END LOOP;
    END LOOP;
END $$;
-- And whether short counts stand beside others.
GRANT SELECT (dur_s, valid_s) ON footfall_raw TO msl_ingest;

-- The API and the registry's commands: read all, change the registry, never a measurement.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO msl_api, msl_worker;
GRANT INSERT, UPDATE ON lab, site, node, deployment, intervention, intervention_site TO msl_api;
-- Dated rows are revoked and replaced, never rewritten.
GRANT INSERT, UPDATE (revoked_at) ON calibration, exclusion TO msl_api;
GRANT INSERT ON clock_correction TO msl_api;
GRANT DELETE ON deployment, intervention_site TO msl_api;

-- The worker: rollups (granted with them), marks, seals, and what is kept for a day only.
GRANT DELETE ON rollup_mark, walk_test TO msl_worker;
GRANT UPDATE ON rollup_seal TO msl_worker;

-- Pure functions, of use to everybody.
GRANT EXECUTE ON FUNCTION accounted(ledger), complete_to(ledger) TO PUBLIC;
