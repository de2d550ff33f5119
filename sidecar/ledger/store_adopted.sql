-- Returns a row only the first time: since when tenants are ours without that (NULL: no list was made yet).
UPDATE ledger.history
SET adopted_at = $1, adopted_by = $2
WHERE adopted_at IS NULL
RETURNING started_at
