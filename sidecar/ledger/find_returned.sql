-- A removed uid in a later list: uids are never used again, so one of the two is wrong. The removal stays.
-- $1 version, $2 sent_at of the census. A minute is allowed for the clocks of replicas and API servers.
INSERT INTO ledger.anomalies (kind, tenant_uid, detail)
SELECT DISTINCT 'diverged', r.tenant_uid, jsonb_build_object(
           'why', 'a removed tenant is in a later list', 'removed_by', r.source, 'version', c.version)
FROM ledger.censuses c
CROSS JOIN LATERAL unnest(c.uids) AS listed
JOIN ledger.removals r ON r.tenant_uid = listed
WHERE c.version = $1::text::numeric(39) AND c.sent_at = $2 AND r.at < c.sent_at - interval '1 minute'
ON CONFLICT DO NOTHING
