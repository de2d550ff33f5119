-- The tenant in which the $2th generation after those of tenant $1 is; NULL: there are not as many any more.
SELECT o.tenant_uid::text
FROM ledger.observations o
WHERE o.tenant_uid > $1::uuid
ORDER BY o.tenant_uid, o.generation
OFFSET $2
LIMIT 1
