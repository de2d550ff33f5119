-- Ends the tenants that this census lacks: those that live, and those known to have ended only later.
-- $1 version, $2 sent_at. Returns the tenants.
INSERT INTO ledger.removals (tenant_uid, source, at, not_before)
SELECT t.tenant_uid, 'census', c.answered_at, CASE WHEN gone.listed IS NOT NULL THEN c.not_before END
FROM ledger.censuses c
JOIN ledger.tenants t ON t.created_at < c.sent_at
LEFT JOIN ledger.ends e USING (tenant_uid)
LEFT JOIN LATERAL unnest(c.gone) AS gone(listed) ON gone.listed = t.tenant_uid
WHERE c.version = $1::text::numeric(39) AND c.sent_at = $2
  AND (e.deleted_at IS NULL OR e.deleted_at > c.answered_at)
  AND (SELECT max(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid) <= c.version
  AND NOT EXISTS (SELECT FROM unnest(c.uids) AS listed WHERE listed = t.tenant_uid)
ON CONFLICT (tenant_uid, source, at) DO NOTHING
RETURNING tenant_uid::text
