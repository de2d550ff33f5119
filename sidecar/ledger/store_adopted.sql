-- Returns a row only the first time.
UPDATE ledger.history
SET adopted_at = $1, adopted_by = $2
WHERE adopted_at IS NULL
RETURNING adopted_at
