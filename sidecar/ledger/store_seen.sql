-- Files what a source saw as tenant, observation, sighting and org; keys that are known already stay as they
-- are. Returns the observations that were known, and with generation NULL the tenants that were not.
-- $1: facts `seen` as a JSON array.
WITH given AS (
    SELECT tenant_uid, generation, resource_version, tenant_name, zitadel_org_id, packages,
           coalesce(suspended, false) AS suspended, suspended_at, created_at, deletion_requested_at, unreadable,
           source, at, not_before, time_source
    FROM json_to_recordset($1::json)
        AS g(tenant_uid uuid, generation bigint, resource_version numeric(39), tenant_name text, zitadel_org_id text,
             packages text[], suspended boolean, suspended_at timestamptz, created_at timestamptz,
             deletion_requested_at timestamptz, unreadable text, source text, at timestamptz, not_before timestamptz,
             time_source text)
), observed AS (
    INSERT INTO ledger.observations (tenant_uid, generation, resource_version, tenant_name, packages, suspended,
                                     suspended_at, created_at, deletion_requested_at, unreadable, source,
                                     content_sha256)
    SELECT tenant_uid, generation, resource_version, tenant_name, packages, suspended,
           suspended_at, created_at, deletion_requested_at, unreadable, source,
           sha256(convert_to(json_build_array(packages, suspended)::text, 'UTF8'))
    FROM given
    ON CONFLICT (tenant_uid, generation) DO NOTHING
    RETURNING tenant_uid, generation
), sighted AS (
    INSERT INTO ledger.sightings (tenant_uid, generation, source, at, not_before)
    SELECT tenant_uid, generation, time_source, at, not_before FROM given
    UNION ALL
    SELECT tenant_uid, generation, 'suspended_at', suspended_at, NULL FROM given WHERE suspended_at IS NOT NULL
    ON CONFLICT (tenant_uid, generation, source, at) DO NOTHING
), labelled AS (
    INSERT INTO ledger.orgs (tenant_uid, resource_version, generation, zitadel_org_id)
    SELECT tenant_uid, resource_version, generation, zitadel_org_id FROM given
    ON CONFLICT (tenant_uid, resource_version) DO NOTHING
), met AS (
    INSERT INTO ledger.tenants (tenant_uid, tenant_name, created_at)
    SELECT tenant_uid, tenant_name, created_at FROM given
    ON CONFLICT (tenant_uid) DO NOTHING
    RETURNING tenant_uid
)
SELECT tenant_uid::text, generation FROM given
WHERE (tenant_uid, generation) NOT IN (SELECT tenant_uid, generation FROM observed)
UNION ALL
SELECT tenant_uid::text, NULL FROM met
