-- Ends tenants first known after a census that lacks them. $1: their uids. Returns those that ended.
WITH met AS MATERIALIZED (
    SELECT t.tenant_uid, t.created_at, newest.version
    FROM unnest($1::uuid[]) AS uid
    CROSS JOIN LATERAL (SELECT * FROM ledger.tenants t WHERE t.tenant_uid = uid LIMIT 1) t
    CROSS JOIN LATERAL (
        SELECT max(o.resource_version) AS version FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid
    ) newest
), listed AS MATERIALIZED (  -- the newest list that has each: all of them found in one reading of the lists
    SELECT tenant_uid, max(version) AS version
    FROM (
        SELECT unnest(uids) AS tenant_uid, version FROM ledger.censuses
        WHERE version >= (SELECT min(version) FROM met)
    ) present
    WHERE tenant_uid IN (SELECT tenant_uid FROM met)
    GROUP BY tenant_uid
)
INSERT INTO ledger.removals (tenant_uid, source, at, not_before)
SELECT m.tenant_uid, 'census', c.answered_at, CASE WHEN m.tenant_uid = ANY (c.gone) THEN c.not_before END
FROM met m
LEFT JOIN listed USING (tenant_uid)
CROSS JOIN LATERAL (
    SELECT c.answered_at, c.not_before, c.gone FROM ledger.censuses c
    -- newer than all that is known of the tenant, and than every list that has it: that proves those before it wrong
    WHERE c.version >= m.version AND c.version > coalesce(listed.version, -1)
      AND c.sent_at > m.created_at AND NOT c.held
    ORDER BY c.answered_at
    LIMIT 1
) c
LEFT JOIN LATERAL (SELECT * FROM ledger.ends e WHERE e.tenant_uid = m.tenant_uid LIMIT 1) e ON true
WHERE e.deleted_at IS NULL OR e.deleted_at > c.answered_at
   OR e.deleted_at = c.answered_at AND e.deleted_source = 'inferred'
ON CONFLICT (tenant_uid, source, at) DO NOTHING
RETURNING tenant_uid::text
