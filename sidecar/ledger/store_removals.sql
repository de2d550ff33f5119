INSERT INTO ledger.removals (tenant_uid, source, at, last_generation, not_before)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::timestamptz[])
ON CONFLICT (tenant_uid, source, at) DO NOTHING
