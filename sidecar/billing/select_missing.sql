SELECT tenant_uid::text, tenant_name, generation_from, generation_to, not_before, at, count(*) OVER () AS total
FROM ledger.missing_generations
ORDER BY tenant_name, tenant_uid, generation_from
LIMIT $1
