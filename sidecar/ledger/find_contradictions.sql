-- What cannot be true together, for a person to look at: the content first recorded stays.
-- $1: facts `seen` as a JSON array, all of them stored.
WITH given AS MATERIALIZED (
    SELECT tenant_uid, generation, resource_version, packages, coalesce(suspended, false) AS suspended
    FROM json_to_recordset($1::json)
        AS g(tenant_uid uuid, generation bigint, resource_version numeric(39), packages text[], suspended boolean)
), versions AS MATERIALIZED (  -- each given version as it is stored, and its neighbours
    SELECT g.tenant_uid, g.generation, g.resource_version, own.zitadel_org_id,
           below.resource_version AS below_version, below.generation AS below_generation,
           below.zitadel_org_id AS below_org,
           above.resource_version AS above_version, above.generation AS above_generation,
           above.zitadel_org_id AS above_org
    FROM given g
    JOIN ledger.orgs own USING (tenant_uid, resource_version)
    LEFT JOIN LATERAL (
        SELECT o.resource_version, o.generation, o.zitadel_org_id FROM ledger.orgs o
        WHERE o.tenant_uid = g.tenant_uid AND o.resource_version < g.resource_version
        ORDER BY o.resource_version DESC LIMIT 1
    ) below ON true
    LEFT JOIN LATERAL (
        SELECT o.resource_version, o.generation, o.zitadel_org_id FROM ledger.orgs o
        WHERE o.tenant_uid = g.tenant_uid AND o.resource_version > g.resource_version
        ORDER BY o.resource_version LIMIT 1
    ) above ON true
)
INSERT INTO ledger.anomalies (kind, tenant_uid, detail)
-- other content under a known generation: a CRD default was added, or etcd was restored from a snapshot
SELECT 'diverged', g.tenant_uid, jsonb_build_object(
           'why', 'other content under a known generation', 'generation', g.generation,
           'recorded_packages', o.packages, 'recorded_suspended', o.suspended,
           'packages', g.packages, 'suspended', g.suspended)
FROM given g
JOIN ledger.observations o USING (tenant_uid, generation)
WHERE (o.packages, o.suspended) IS DISTINCT FROM (g.packages, g.suspended)
UNION
-- two generations whose versions are in the opposite order
SELECT 'diverged', tenant_uid, jsonb_build_object(
           'why', 'generations and versions in opposite order', 'generation', generation,
           'resource_version', resource_version, 'other_generation', below_generation,
           'other_resource_version', below_version)
FROM versions
WHERE below_generation > generation
UNION
SELECT 'diverged', tenant_uid, jsonb_build_object(
           'why', 'generations and versions in opposite order', 'generation', generation,
           'resource_version', resource_version, 'other_generation', above_generation,
           'other_resource_version', above_version)
FROM versions
WHERE above_generation < generation
UNION
-- the org label moved between two neighbouring versions
SELECT 'org_changed', tenant_uid, jsonb_build_object(
           'resource_version', resource_version, 'from', below_org, 'to', zitadel_org_id)
FROM versions
WHERE below_version IS NOT NULL AND below_org IS DISTINCT FROM zitadel_org_id
UNION
SELECT 'org_changed', tenant_uid, jsonb_build_object(
           'resource_version', above_version, 'from', zitadel_org_id, 'to', above_org)
FROM versions
WHERE above_version IS NOT NULL AND zitadel_org_id IS DISTINCT FROM above_org
ON CONFLICT DO NOTHING
