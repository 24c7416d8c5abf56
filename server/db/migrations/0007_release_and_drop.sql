-- 0007_release_and_drop.sql: held records into raw by a clock correction; sealed chunks out.
-- Why: both touch raw, which no process may: these functions run as the owner and keep the rules
--   themselves. A released record is stored like a received one, ledger and marks included; a
--   chunk goes only when no mark is left in it.
-- Units: offset_ms in ms, added to t. Transaction: yes. Undo: drop the functions; released records
--   stay in raw.

-- Columns of `whose`, in order, with t and flags as given.
CREATE FUNCTION raw_columns(whose regclass, t text, flags text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT string_agg(CASE attname WHEN 't' THEN t WHEN 'flags' THEN flags
                                   ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = whose AND attnum > 0 AND NOT attisdropped
$$;

-- Move what correction `correction` makes believable; what it doesn't stays held: still ahead of
-- now (not of its receipt: the server's own clock may have been wrong then), before its node, or in a sealed range. Safe to repeat: records of that boot that
-- come in later are released by the worker. CLOCK_UNSYNCED goes, since the correction is the clock.
CREATE FUNCTION release_held(correction integer, OUT released_n bigint, OUT still_held_n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    c clock_correction;
    shift interval;
    unsynced integer := (SELECT 1 << bit FROM flag WHERE name = 'CLOCK_UNSYNCED');
    stream_name text;
    seqs int8multirange;
    n bigint;
BEGIN
    released_n := 0;
    still_held_n := 0;
    SELECT * INTO STRICT c FROM clock_correction WHERE correction_id = correction;
    shift := make_interval(secs => c.offset_ms / 1000.0);
    -- In the order in which ingest locks.
    PERFORM FROM ledger WHERE (node_id, spool) = (c.node_id, c.spool)
        ORDER BY stream COLLATE "C" FOR UPDATE;
    PERFORM FROM rollup_seal FOR SHARE;
    FOREACH stream_name IN ARRAY ARRAY['event', 'footfall', 'health', 'light', 'noise'] LOOP
        EXECUTE format($q$
            WITH moved AS (
                DELETE FROM %1$I AS h USING origin AS o, node, rollup_seal AS s
                WHERE o.origin_id = h.origin_id AND node.node_id = h.node_id
                  AND (h.node_id, h.spool, o.boot) = ($1, $2, $3) AND s.stream = $4
                  AND h.reason NOT IN ('sealed', 'short') AND h.t + $5 >= s.before
                  AND h.t + $5 <= now() + interval '10 minutes'
                  AND h.t + $5 + make_interval(secs => h.dur_s) >= node.created_at
                RETURNING h.*
            ), stored AS (
                INSERT INTO %2$I (%3$s) SELECT %4$s FROM moved ON CONFLICT DO NOTHING
            ), marked AS (
                INSERT INTO rollup_mark (node_id, stream, hour)
                SELECT DISTINCT node_id, $4, date_trunc('hour', t + $5, 'UTC') FROM moved
                WHERE $4 <> 'event'
            )
            SELECT range_agg(int8range(seq, seq, '[]')), count(*) FROM moved
        $q$, 'held_' || stream_name, stream_name || '_raw',
            raw_columns((stream_name || '_raw')::regclass, 't', 'flags'),
            raw_columns((stream_name || '_raw')::regclass, 't + $5', 'flags & ~$6'))
        INTO seqs, n USING c.node_id, c.spool, c.boot, stream_name, shift, unsynced;
        released_n := released_n + n;
        IF n > 0 THEN
            UPDATE ledger SET stored = stored + seqs, held = held - seqs
            WHERE (node_id, spool, stream) = (c.node_id, c.spool, stream_name);
            IF stream_name = 'footfall' THEN
                WITH moved AS (
                    DELETE FROM held_footfall_line
                    WHERE (node_id, spool) = (c.node_id, c.spool) AND seq <@ seqs
                    RETURNING *
                )
                INSERT INTO footfall_line_raw (t, seq, a_to_b, b_to_a, node_id, spool, line)
                SELECT t + shift, seq, a_to_b, b_to_a, node_id, spool, line FROM moved
                ON CONFLICT DO NOTHING;
            END IF;
        END IF;
        EXECUTE format($q$
            SELECT count(*) FROM %I AS h JOIN origin AS o USING (origin_id)
            WHERE (h.node_id, h.spool, o.boot) = ($1, $2, $3)
        $q$, 'held_' || stream_name) INTO n USING c.node_id, c.spool, c.boot;
        still_held_n := still_held_n + n;
    END LOOP;
END $$;

-- Drop the chunks of `of_stream` that lie wholly before its seal and before every mark; how many.
CREATE FUNCTION drop_sealed(of_stream text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    until timestamptz;
    dropped integer := 0;
    place text;
BEGIN
    SELECT least(s.before, (SELECT min(hour) FROM rollup_mark AS m WHERE m.stream = s.stream))
        INTO STRICT until FROM rollup_seal AS s WHERE s.stream = of_stream;
    IF until = '-infinity' THEN
        RETURN 0;
    END IF;
    FOREACH place IN ARRAY CASE of_stream
        WHEN 'footfall' THEN ARRAY['footfall_line_raw', 'footfall_raw']
        ELSE ARRAY[of_stream || '_raw'] END
    LOOP
        dropped := dropped + (SELECT count(*) FROM drop_chunks(place::regclass, until));
    END LOOP;
    RETURN dropped;
END $$;

GRANT EXECUTE ON FUNCTION release_held(integer) TO msl_api, msl_worker;
GRANT EXECUTE ON FUNCTION drop_sealed(text) TO msl_worker;
