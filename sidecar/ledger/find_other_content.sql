-- Other content under a known generation: a CRD default was added, or etcd was restored from a snapshot. The content
-- first recorded stays, the other is for a person to look at.
-- $1: facts `seen` as a JSON array, all of them stored.
INSERT INTO ledger.anomalies (kind, tenant_uid, detail)
SELECT DISTINCT 'diverged', g.tenant_uid, jsonb_build_object(
           'why', 'other content under a known generation', 'generation', g.generation,
           'recorded_packages', o.packages, 'recorded_suspended', o.suspended,
           'packages', g.packages, 'suspended', coalesce(g.suspended, false),
           'deletion_requested', g.deletion_requested_at IS NOT NULL)
FROM json_to_recordset($1::json)
    AS g(tenant_uid uuid, generation bigint, packages text[], suspended boolean, deletion_requested_at timestamptz)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.observations o
    WHERE o.tenant_uid = g.tenant_uid AND o.generation = g.generation
    LIMIT 1
) o
WHERE (o.packages, o.suspended, o.deletion_requested_at IS NOT NULL)
      IS DISTINCT FROM (g.packages, coalesce(g.suspended, false), g.deletion_requested_at IS NOT NULL)
ON CONFLICT DO NOTHING
