-- 0012_identity.sql: how a node comes by its certificate, and loses it.
-- Why: a key is born on the node and never leaves it; the server decides the name. A token is used
--   once, a person approves, the worker (the only process with the issuing key) signs. What the API
--   can be made to do by whoever breaks into it ends at asking.
-- Units: times in UTC; serial as lower-case hexadecimal. Transaction: yes. Undo: drop the tables.

CREATE TABLE enrol_token (
    token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
    node_id      text NOT NULL REFERENCES node,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text NOT NULL,
    expires_at   timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at      timestamptz
);
CREATE INDEX enrol_token_node ON enrol_token (node_id);

CREATE TYPE enrolment_state AS ENUM ('pending', 'approved', 'refused', 'issued');

CREATE TABLE enrolment (
    enrolment_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id      text NOT NULL REFERENCES node,
    kind         text NOT NULL CHECK (kind IN ('first', 'renewal')),
    csr          text NOT NULL CHECK (length(csr) <= 4096),
    -- Of SubjectPublicKeyInfo: what a technician compares, and how a repetition is known.
    key_sha256   bytea NOT NULL UNIQUE CHECK (length(key_sha256) = 32),
    -- What the node says of its board; shown to whoever approves, believed by nobody.
    board        text CHECK (length(board) <= 64),
    token_sha256 bytea UNIQUE REFERENCES enrol_token,
    state        enrolment_state NOT NULL DEFAULT 'pending',
    requested_at timestamptz NOT NULL DEFAULT now(),
    decided_by   text,
    decided_at   timestamptz,
    CHECK ((kind = 'first') = (token_sha256 IS NOT NULL))
);
CREATE INDEX enrolment_open ON enrolment (state) WHERE state IN ('pending', 'approved');

CREATE TABLE certificate (
    serial       text PRIMARY KEY CHECK (serial ~ '^[0-9a-f]{1,40}$'),
    node_id      text NOT NULL REFERENCES node,
    enrolment_id integer NOT NULL UNIQUE REFERENCES enrolment,
    pem          text NOT NULL,
    not_before   timestamptz NOT NULL,
    not_after    timestamptz NOT NULL,
    issued_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    revoked_why  text,
    CHECK ((revoked_at IS NULL) = (revoked_why IS NULL))
);
CREATE INDEX certificate_node ON certificate (node_id);

-- What should not happen: a token used twice, a renewal with a revoked certificate.
CREATE TABLE identity_alarm (
    alarm_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    node_id  text NOT NULL REFERENCES node,
    kind     text NOT NULL CHECK (kind IN ('token_used_twice', 'revoked_certificate')),
    detail   text NOT NULL,
    seen_at  timestamptz,
    seen_by  text
);
CREATE INDEX identity_alarm_unseen ON identity_alarm (at) WHERE seen_at IS NULL;

-- Grows by one with each revocation list.
CREATE SEQUENCE crl_number AS bigint;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON enrolment
    FOR EACH ROW EXECUTE FUNCTION audit_change('node_id', 'enrolment_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON certificate
    FOR EACH ROW EXECUTE FUNCTION audit_change('node_id', 'serial');

GRANT SELECT, INSERT, UPDATE (used_at, expires_at) ON enrol_token TO msl_api;
GRANT SELECT, INSERT, UPDATE (state, decided_by, decided_at) ON enrolment TO msl_api;
GRANT SELECT, UPDATE (revoked_at, revoked_why) ON certificate TO msl_api;
GRANT SELECT, INSERT, UPDATE (seen_at, seen_by) ON identity_alarm TO msl_api;

GRANT SELECT, UPDATE (state) ON enrolment TO msl_worker;
GRANT SELECT, INSERT ON certificate TO msl_worker;
GRANT SELECT ON identity_alarm TO msl_worker;
GRANT UPDATE (state) ON node TO msl_worker;
GRANT USAGE ON SEQUENCE crl_number TO msl_worker;
-- The ingester drops what comes with a certificate that is no longer good, long before the broker
-- has read the new list.
GRANT SELECT ON certificate TO msl_ingest;
