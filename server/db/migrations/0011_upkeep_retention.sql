-- 0011_upkeep_retention.sql: the worker may delete old births, wills and nonces.
-- Why: they grow with every restart and every check, and nothing ever took them away. `loss` and
--   held records stay: they say what the ledger says, and live as long as it does.
-- Units: none. Transaction: yes. Undo: revoke and drop the index.

GRANT DELETE ON node_status, batch_nonce TO msl_worker;
CREATE INDEX batch_nonce_age ON batch_nonce (received_at);
