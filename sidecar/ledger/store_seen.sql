-- Files what a source saw as tenant, observation, sighting and org; keys that are known already stay as they
-- are. Returns the tenants that were not known before.
-- $1..$16: one array a column, one element a fact.
WITH given AS (
    SELECT g.tenant_uid, g.generation, g.resource_version::numeric(39) AS resource_version, g.tenant_name,
           g.zitadel_org_id, g.suspended, g.suspended_at, g.created_at, g.deletion_requested_at, g.unreadable,
           g.source, g.content_sha256, g.at, g.not_before, g.time_source,
           CASE WHEN g.packages IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(g.packages::jsonb)) END
               AS packages
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::bytea[],
                $14::timestamptz[], $15::timestamptz[], $16::text[])
        AS g(tenant_uid, generation, resource_version, tenant_name, zitadel_org_id, packages, suspended,
             suspended_at, created_at, deletion_requested_at, unreadable, source, content_sha256,
             at, not_before, time_source)
), observed AS (
    INSERT INTO ledger.observations (tenant_uid, generation, resource_version, tenant_name, packages, suspended,
                                     suspended_at, created_at, deletion_requested_at, unreadable, source,
                                     content_sha256)
    SELECT tenant_uid, generation, resource_version, tenant_name, packages, suspended,
           suspended_at, created_at, deletion_requested_at, unreadable, source, content_sha256
    FROM given
    ON CONFLICT (tenant_uid, generation) DO NOTHING
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
)
INSERT INTO ledger.tenants (tenant_uid, tenant_name, created_at)
SELECT tenant_uid, tenant_name, created_at FROM given
ON CONFLICT (tenant_uid) DO NOTHING
RETURNING tenant_uid::text
