-- Limits of this transaction only: poolers in transaction mode hand the connection to somebody else afterwards.
-- A person waits for the answer; and who died in the middle of a change shall not keep its row locked.
SET LOCAL statement_timeout = '10s';
SET LOCAL lock_timeout = '5s';
SET LOCAL idle_in_transaction_session_timeout = '15s';
