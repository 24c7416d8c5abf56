-- 0013_validation.sql: manual tallies beside the people counter, accepted one by one.
-- Why: light confounds the counter. A claim about footfall stands only in bands of light in which
--   this line, with this geometry and this detector, was counted by hand too.
-- Units: counts of crossings, lux; times in UTC. Transaction: yes. Undo: DROP TABLE validation.

CREATE TABLE validation (
    validation_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id        text NOT NULL REFERENCES node,
    line           text NOT NULL,
    from_t         timestamptz NOT NULL,
    to_t           timestamptz NOT NULL CHECK (to_t > from_t),
    manual_a_to_b  integer NOT NULL CHECK (manual_a_to_b >= 0),
    manual_b_to_a  integer NOT NULL CHECK (manual_b_to_a >= 0),
    counted_a_to_b integer NOT NULL CHECK (counted_a_to_b >= 0),
    counted_b_to_a integer NOT NULL CHECK (counted_b_to_a >= 0),
    lux_p50        real CHECK (lux_p50 >= 0),
    lux_band       text,  -- null: no light sensor ran, so it stands for no band
    rev            text NOT NULL,     -- software and detector that counted
    geometry_rev   integer NOT NULL,  -- and the lines
    operator       text,
    -- The node's event that it was accepted from, as node/spool/seq.
    event          text NOT NULL,
    revoked_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX validation_once ON validation (event) WHERE revoked_at IS NULL;
CREATE INDEX validation_node ON validation (node_id, line, from_t);

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON validation
    FOR EACH ROW EXECUTE FUNCTION audit_change('validation_id');

GRANT SELECT, INSERT, UPDATE (revoked_at) ON validation TO msl_api;
GRANT SELECT ON validation TO msl_worker;
