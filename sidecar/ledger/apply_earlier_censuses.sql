-- Ends tenants first known after a census that lacks them. $1: their uids. Returns those that ended.
INSERT INTO ledger.removals (tenant_uid, source, at, not_before)
SELECT DISTINCT ON (t.tenant_uid)
       t.tenant_uid, 'census', c.answered_at, CASE WHEN t.tenant_uid = ANY (c.gone) THEN c.not_before END
FROM ledger.tenants t
LEFT JOIN LATERAL (SELECT * FROM ledger.ends e WHERE e.tenant_uid = t.tenant_uid LIMIT 1) e ON true
JOIN ledger.censuses c
    ON NOT c.held AND c.sent_at > t.created_at
   AND c.version >= (SELECT max(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid)
WHERE t.tenant_uid = ANY ($1::uuid[])
  AND (e.deleted_at IS NULL OR e.deleted_at > c.answered_at)
  AND NOT t.tenant_uid = ANY (c.uids)
  AND NOT EXISTS (SELECT FROM ledger.censuses later
                  WHERE later.version > c.version AND t.tenant_uid = ANY (later.uids))
ORDER BY t.tenant_uid, c.answered_at
ON CONFLICT (tenant_uid, source, at) DO NOTHING
RETURNING tenant_uid::text
