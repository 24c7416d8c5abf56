-- 0015_evaluation.sql: locked plans, evaluations that were run, imported incidents and answers.
-- Why: a plan counts only if it can be shown to have stood before the outcome did, so it is kept
--   as it was hashed, with its time, and nobody may change or delete it. A result is kept as it
--   came out; the next run is a new row. Imports go in whole files: what a file brought can be
--   taken back with its batch.
-- Units: times in UTC; hashes are SHA-256 in hex; weight of an answer 1 = one person.
-- Transaction: yes. Undo: drop the tables; no measurement is touched.

CREATE TABLE evaluation_plan (
    sha256          text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    intervention_id text NOT NULL REFERENCES intervention,
    canonical       text NOT NULL,  -- what was hashed
    locked_at       timestamptz NOT NULL DEFAULT now(),
    locked_by       text NOT NULL
);
CREATE INDEX evaluation_plan_of ON evaluation_plan (intervention_id, locked_at);

CREATE TABLE evaluation (
    evaluation_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intervention_id text NOT NULL REFERENCES intervention,
    plan_sha256     text NOT NULL,
    exploratory     boolean NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('change', 'inconclusive', 'refused')),
    grade           integer CHECK (grade BETWEEN 1 AND 5),
    verdict         text NOT NULL,
    results         jsonb NOT NULL,
    bundle_sha256   text,
    ran_at          timestamptz NOT NULL DEFAULT now(),
    ran_by          text NOT NULL
);
CREATE INDEX evaluation_of ON evaluation (intervention_id, ran_at);

CREATE TABLE import_batch (
    batch_id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intervention_id text NOT NULL REFERENCES intervention,
    kind            text NOT NULL CHECK (kind IN ('incidents', 'survey')),
    file_name       text NOT NULL,
    file_sha256     text NOT NULL,
    rows_n          integer NOT NULL,
    imported_at     timestamptz NOT NULL DEFAULT now(),
    imported_by     text NOT NULL,
    UNIQUE (intervention_id, kind, file_sha256)  -- the same file twice adds nothing
);

CREATE TABLE incident (
    incident_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id        integer NOT NULL REFERENCES import_batch ON DELETE CASCADE,
    intervention_id text NOT NULL REFERENCES intervention,
    at              timestamptz NOT NULL,
    arm             text NOT NULL CHECK (arm IN ('treated', 'control', 'buffer')),
    category        text NOT NULL,
    site_id         text
);
CREATE INDEX incident_of ON incident (intervention_id, at);

CREATE TABLE survey_answer (
    answer_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id        integer NOT NULL REFERENCES import_batch ON DELETE CASCADE,
    intervention_id text NOT NULL REFERENCES intervention,
    wave            text NOT NULL CHECK (wave IN ('before', 'after')),
    arm             text NOT NULL CHECK (arm IN ('treated', 'control')),
    question        text NOT NULL,
    answer          integer NOT NULL,
    weight          double precision NOT NULL CHECK (weight > 0)
);
CREATE INDEX survey_answer_of ON survey_answer (intervention_id);

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON evaluation_plan
    FOR EACH ROW EXECUTE FUNCTION audit_change('sha256');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON import_batch
    FOR EACH ROW EXECUTE FUNCTION audit_change('batch_id');

-- The last answer to each question, for dashboards.
CREATE VIEW dash.evaluations AS
SELECT DISTINCT ON (e.intervention_id)
       e.intervention_id, i.title, i.lab_id, e.evaluation_id, e.ran_at AS t, e.outcome, e.grade,
       e.exploratory, e.verdict, coalesce((e.results ->> 'simulated')::boolean, false) AS simulated
FROM evaluation AS e JOIN intervention AS i USING (intervention_id)
ORDER BY e.intervention_id, e.ran_at DESC, e.evaluation_id DESC;

GRANT SELECT, INSERT ON evaluation_plan, evaluation, import_batch, incident, survey_answer
    TO msl_api;
GRANT DELETE ON import_batch, incident, survey_answer TO msl_api;
GRANT SELECT ON evaluation_plan, evaluation, import_batch, incident, survey_answer TO msl_worker;
GRANT SELECT ON dash.evaluations TO msl_grafana, msl_api;
