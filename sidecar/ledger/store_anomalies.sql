INSERT INTO ledger.anomalies (kind, tenant_uid, detail, from_at, to_at)
SELECT kind, tenant_uid, detail::jsonb, from_at, to_at
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    AS g(kind, tenant_uid, detail, from_at, to_at)
ON CONFLICT DO NOTHING
