-- roles.sql: give the database's roles their passwords, once, when the database is made.
-- Why: over scram nobody logs in without a password, and only a superuser may set one; `msl migrate`
--   makes roles without. A password is changed later with `\password msl_api` in psql.
-- Units: none. Transaction: each statement. Undo: ALTER ROLE … PASSWORD NULL.
-- Run by the image's entrypoint through psql, which reads the files that compose mounts.

\set ingest_password `cat /run/secrets/msl_ingest_password`
\set worker_password `cat /run/secrets/msl_worker_password`
\set api_password `cat /run/secrets/msl_api_password`
\set grafana_password `cat /run/secrets/msl_grafana_password`

CREATE ROLE msl_ingest LOGIN PASSWORD :'ingest_password';
CREATE ROLE msl_worker LOGIN PASSWORD :'worker_password';
CREATE ROLE msl_api LOGIN PASSWORD :'api_password';
CREATE ROLE msl_grafana LOGIN PASSWORD :'grafana_password';
