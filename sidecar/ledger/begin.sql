-- One writer at a time: two that compare neighbours at the same time lose events. A statement of its own, so
-- that the statements after it read what the one before us committed. A dead replica cannot hold the lock for
-- longer than these limits.
SET LOCAL jit = off;  -- compiling costs more than these statements
SET LOCAL statement_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '30s';
SELECT pg_advisory_xact_lock(7021963405412);  -- any bigint, the same for all replicas, that no other lock has
