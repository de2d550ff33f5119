-- Ends the tenants that this census lacks: those that live, and those known to have ended only later.
-- $1 version, $2 sent_at. Returns the tenants.
WITH lacking AS MATERIALIZED (  -- sets that do not depend on the tenant are hashed once
    SELECT t.tenant_uid, c.version, c.answered_at,
           CASE WHEN t.tenant_uid IN (SELECT unnest(gone) FROM ledger.censuses
                                      WHERE version = $1::text::numeric(39) AND sent_at = $2)
                THEN c.not_before END AS not_before
    FROM ledger.censuses c
    JOIN ledger.tenants t ON t.created_at < c.sent_at
    WHERE c.version = $1::text::numeric(39) AND c.sent_at = $2
      AND t.tenant_uid NOT IN (SELECT unnest(uids) FROM ledger.censuses
                               WHERE version = $1::text::numeric(39) AND sent_at = $2)
), later AS MATERIALIZED (
    SELECT DISTINCT tenant_uid
    FROM (SELECT unnest(uids) AS tenant_uid FROM ledger.censuses WHERE version > $1::text::numeric(39)) present
    WHERE tenant_uid IN (SELECT tenant_uid FROM lacking)
)
INSERT INTO ledger.removals (tenant_uid, source, at, not_before)
SELECT l.tenant_uid, 'census', l.answered_at, l.not_before
FROM lacking l
LEFT JOIN ledger.ends e USING (tenant_uid)
WHERE (e.deleted_at IS NULL OR e.deleted_at > l.answered_at
       OR e.deleted_at = l.answered_at AND e.deleted_source = 'inferred')
  AND (SELECT max(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = l.tenant_uid) <= l.version
  -- a later list that has the tenant proves this one wrong about it
  AND NOT EXISTS (SELECT FROM later WHERE later.tenant_uid = l.tenant_uid)
ON CONFLICT (tenant_uid, source, at) DO NOTHING
RETURNING tenant_uid::text
