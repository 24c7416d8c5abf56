-- bootstrap.sql: what only a superuser may make: roles, extensions, schemas; safe to repeat.
-- Why: everything else belongs to msl_owner and is made by it, so no process of ours ever needs a
--   superuser. Roles may log in but have no password, so that over scram nobody can until the
--   operator sets one; they are the cluster's, the rest is this database's.
-- Units: none. Transaction: yes. Undo: DROP OWNED BY and DROP ROLE for each role.

DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY[
        'msl_owner', 'msl_ingest', 'msl_api', 'msl_worker', 'msl_grafana', 'msl_public'
    ] LOOP
        -- Databases of one cluster may be set up at the same moment; the lock is per database.
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END $$;

-- Settings of a role are the cluster's too: set once, since two at a time would collide.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_db_role_setting WHERE setrole = 'msl_public'::regrole AND setdatabase = 0
    ) THEN
        -- A dashboard's slip must not hold the server up, nor write.
        ALTER ROLE msl_grafana SET search_path = dash, public;
        ALTER ROLE msl_grafana SET default_transaction_read_only = on;
        ALTER ROLE msl_grafana SET statement_timeout = '15s';
        ALTER ROLE msl_grafana CONNECTION LIMIT 20;
        ALTER ROLE msl_public SET search_path = pub, public;
        ALTER ROLE msl_public SET default_transaction_read_only = on;
        ALTER ROLE msl_public SET statement_timeout = '15s';
        ALTER ROLE msl_public CONNECTION LIMIT 20;
    END IF;
END $$;

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS timescaledb;

CREATE SCHEMA IF NOT EXISTS dash AUTHORIZATION msl_owner;
CREATE SCHEMA IF NOT EXISTS pub AUTHORIZATION msl_owner;
-- Usage of public stays with everybody: TimescaleDB's own functions live there, tables are granted
-- one by one.
GRANT USAGE, CREATE ON SCHEMA public TO msl_owner;
GRANT USAGE ON SCHEMA dash TO msl_grafana, msl_api;
GRANT USAGE ON SCHEMA pub TO msl_public, msl_api;

-- Functions that run as their owner must not be everybody's by default.
ALTER DEFAULT PRIVILEGES FOR ROLE msl_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
