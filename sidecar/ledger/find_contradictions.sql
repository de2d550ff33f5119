-- What cannot be true together, for a person to look at: the content first recorded stays.
-- $1..$6: uid, generation, version, content digest, packages (JSON), suspended of each given observation.
WITH given AS (
    SELECT g.tenant_uid, g.generation, g.resource_version::numeric(39) AS resource_version, g.content_sha256,
           g.packages, g.suspended
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[], $5::text[], $6::boolean[])
        AS g(tenant_uid, generation, resource_version, content_sha256, packages, suspended)
)
INSERT INTO ledger.anomalies (kind, tenant_uid, detail)
-- other content under a known generation: a CRD default was added, or etcd was restored from a snapshot
SELECT 'diverged', g.tenant_uid, jsonb_build_object(
           'why', 'other content under a known generation', 'generation', g.generation,
           'recorded_packages', o.packages, 'recorded_suspended', o.suspended,
           'packages', g.packages::jsonb, 'suspended', g.suspended)
FROM given g
JOIN ledger.observations o USING (tenant_uid, generation)
WHERE o.content_sha256 <> g.content_sha256
UNION
-- two generations whose versions are in the opposite order
SELECT 'diverged', g.tenant_uid, jsonb_build_object(
           'why', 'generations and versions in opposite order', 'generation', g.generation,
           'resource_version', g.resource_version, 'other_generation', o.generation,
           'other_resource_version', o.resource_version)
FROM given g
CROSS JOIN LATERAL (
    (SELECT p.generation, p.resource_version FROM ledger.orgs p
     WHERE p.tenant_uid = g.tenant_uid AND p.resource_version < g.resource_version
     ORDER BY p.resource_version DESC LIMIT 1)
    UNION ALL
    (SELECT n.generation, n.resource_version FROM ledger.orgs n
     WHERE n.tenant_uid = g.tenant_uid AND n.resource_version > g.resource_version
     ORDER BY n.resource_version LIMIT 1)
) o
WHERE (o.generation > g.generation) <> (o.resource_version > g.resource_version) AND o.generation <> g.generation
UNION
-- the org label moved between two neighbouring versions
SELECT 'org_changed', g.tenant_uid, jsonb_build_object(
           'resource_version', upper.resource_version, 'from', lower.zitadel_org_id, 'to', upper.zitadel_org_id)
FROM given g
CROSS JOIN LATERAL (
    (SELECT o.resource_version, o.zitadel_org_id FROM ledger.orgs o
     WHERE o.tenant_uid = g.tenant_uid AND o.resource_version = g.resource_version)
    UNION ALL
    (SELECT o.resource_version, o.zitadel_org_id FROM ledger.orgs o
     WHERE o.tenant_uid = g.tenant_uid AND o.resource_version > g.resource_version
     ORDER BY o.resource_version LIMIT 1)
) upper
CROSS JOIN LATERAL (
    SELECT o.zitadel_org_id FROM ledger.orgs o
    WHERE o.tenant_uid = g.tenant_uid AND o.resource_version < upper.resource_version
    ORDER BY o.resource_version DESC LIMIT 1
) lower
WHERE lower.zitadel_org_id IS DISTINCT FROM upper.zitadel_org_id
ON CONFLICT DO NOTHING
