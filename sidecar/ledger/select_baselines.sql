-- The tenants created in [$1, $2), each with its baseline: its lowest readable generation, if there is one.
SELECT t.tenant_uid::text, b.generation
FROM ledger.tenants t
LEFT JOIN LATERAL (
    SELECT o.generation FROM ledger.observations o
    WHERE o.tenant_uid = t.tenant_uid AND o.unreadable IS NULL
    ORDER BY o.generation
    LIMIT 1
) b ON true
WHERE t.created_at >= coalesce($1::timestamptz, '-infinity') AND t.created_at < coalesce($2::timestamptz, 'infinity')
