-- Two clocks: a generation that by one of them had not begun when by another it had. Whole-second stamps explain a
-- second. Only what is known of that generation itself is compared, so that the order of the facts does not matter.
-- $1, $2: tenant uids and generations as JSON arrays, one pair a fact `seen`, all of them stored.
INSERT INTO ledger.anomalies (kind, tenant_uid, detail, from_at, to_at)
SELECT DISTINCT 'clock_skew', g.tenant_uid, jsonb_build_object('generation', g.generation), began.by, own.not_before
FROM (
    SELECT uid::uuid AS tenant_uid, generation::bigint AS generation
    FROM ROWS FROM (json_array_elements_text($1::json), json_array_elements_text($2::json)) AS g(uid, generation)
) g
CROSS JOIN LATERAL (
    SELECT min(s.at) AS at, max(s.not_before) AS not_before FROM ledger.sightings s
    WHERE s.tenant_uid = g.tenant_uid AND s.generation = g.generation AND s.source <> 'suspended_at'
) own
CROSS JOIN LATERAL (SELECT * FROM ledger.tenants t WHERE t.tenant_uid = g.tenant_uid LIMIT 1) t
CROSS JOIN LATERAL (
    SELECT CASE WHEN g.generation = 1 THEN t.created_at ELSE greatest(own.at, t.created_at) END AS by
) began
WHERE own.not_before > began.by + interval '1 second'
ON CONFLICT DO NOTHING
