-- What cannot be true together, or that a person should know, of neighbouring versions of a tenant.
-- $1, $2: uids and versions as JSON arrays, one pair a fact `seen`, all of them stored.
WITH versions AS MATERIALIZED (  -- each given version as it is stored, and its neighbours
    SELECT own.tenant_uid, own.generation, own.resource_version, own.zitadel_org_id,
           below.resource_version AS below_version, below.generation AS below_generation,
           below.zitadel_org_id AS below_org,
           above.resource_version AS above_version, above.generation AS above_generation,
           above.zitadel_org_id AS above_org
    FROM ROWS FROM (json_array_elements_text($1::json), json_array_elements_text($2::json)) AS g(uid, version)
    CROSS JOIN LATERAL (
        SELECT * FROM ledger.orgs o
        WHERE o.tenant_uid = g.uid::uuid AND o.resource_version = g.version::numeric(39)
        LIMIT 1
    ) own
    LEFT JOIN LATERAL (
        SELECT o.resource_version, o.generation, o.zitadel_org_id FROM ledger.orgs o
        WHERE o.tenant_uid = own.tenant_uid AND o.resource_version < own.resource_version
        ORDER BY o.resource_version DESC LIMIT 1
    ) below ON true
    LEFT JOIN LATERAL (
        SELECT o.resource_version, o.generation, o.zitadel_org_id FROM ledger.orgs o
        WHERE o.tenant_uid = own.tenant_uid AND o.resource_version > own.resource_version
        ORDER BY o.resource_version LIMIT 1
    ) above ON true
)
INSERT INTO ledger.anomalies (kind, tenant_uid, detail)
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
