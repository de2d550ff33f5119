UPDATE ledger.backfills
SET finished_at = clock_timestamp(), tenants_examined = $2, problems = $3::text::jsonb
WHERE id = $1 AND finished_at IS NULL
