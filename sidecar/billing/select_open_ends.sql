SELECT tenant_uid::text, tenant_name, last_known_generation, at, count(*) OVER () AS total
FROM ledger.open_ends
ORDER BY tenant_name, tenant_uid
LIMIT $1
