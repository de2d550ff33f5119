-- The lifecycle rows of the given tenants and of those right before them of the same name: a tenant ends where the
-- next one of its name begins. An inherited one has no row until it was adopted, changed, or ended. An end that is
-- earlier than the facts say was set by hand: it stays (an end only moves earlier), and `verify` names it.
-- $1: tenant uids as a JSON array. Returns how many rows were new.
WITH given AS (
    SELECT t.tenant_name, t.created_at
    FROM json_array_elements_text($1::json) AS uid
    CROSS JOIN LATERAL (SELECT * FROM ledger.tenants t WHERE t.tenant_uid = uid::uuid LIMIT 1) t
), concerned AS (  -- stamps have whole seconds, in which more than one of a name may begin
    SELECT DISTINCT t.tenant_uid, t.tenant_name, t.created_at
    FROM given g
    LEFT JOIN LATERAL (
        SELECT b.created_at FROM ledger.tenants b
        WHERE b.tenant_name = g.tenant_name AND b.created_at < g.created_at
        ORDER BY b.created_at DESC
        LIMIT 1
    ) before ON true
    CROSS JOIN LATERAL (
        SELECT * FROM ledger.tenants t
        WHERE t.tenant_name = g.tenant_name
          AND t.created_at BETWEEN coalesce(before.created_at, g.created_at) AND g.created_at
        OFFSET 0
    ) t
), life AS MATERIALIZED (
    SELECT t.tenant_uid, t.tenant_name, t.created_at, e.deleted_at, e.deleted_not_before, e.deleted_source,
           newest.zitadel_org_id
    FROM concerned t
    LEFT JOIN LATERAL (SELECT * FROM ledger.ends e WHERE e.tenant_uid = t.tenant_uid LIMIT 1) e ON true
    CROSS JOIN LATERAL (
        SELECT o.zitadel_org_id FROM ledger.orgs o
        WHERE o.tenant_uid = t.tenant_uid
        ORDER BY o.resource_version DESC
        LIMIT 1
    ) newest
    WHERE t.created_at >= (SELECT started_at FROM ledger.history WHERE id = 1)
       OR (SELECT adopted_at FROM ledger.history WHERE id = 1) IS NOT NULL
       OR e.deleted_at IS NOT NULL
       -- not EXISTS, for which Postgres may read the whole table once
       OR (SELECT true FROM public.tenant_skill_events s WHERE s.tenant_uid = t.tenant_uid LIMIT 1)
       OR (SELECT true FROM public.tenant_suspension_events s WHERE s.tenant_uid = t.tenant_uid LIMIT 1)
), news AS MATERIALIZED (  -- looked up before: a conflict that changes nothing locks, and so writes, its row
    SELECT n.*,
           (SELECT o.source FROM ledger.observations o
            WHERE o.tenant_uid = n.tenant_uid ORDER BY o.generation LIMIT 1) AS source,
           (SELECT min(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = n.tenant_uid) AS first_version
    FROM life n
    LEFT JOIN LATERAL (
        SELECT * FROM public.tenant_billing_lifecycle l WHERE l.tenant_uid = n.tenant_uid LIMIT 1
    ) l ON true
    WHERE l.tenant_uid IS NULL
       OR l.zitadel_org_id IS DISTINCT FROM n.zitadel_org_id
       OR (l.deleted_at < coalesce(n.deleted_at, 'infinity')) IS NOT TRUE
          AND (l.deleted_at, l.deleted_not_before, l.deleted_source)
              IS DISTINCT FROM (n.deleted_at, n.deleted_not_before, n.deleted_source)
), written AS (
    INSERT INTO public.tenant_billing_lifecycle AS l (tenant_uid, tenant_name, zitadel_org_id, created_at,
                                                      deleted_at, deleted_not_before, deleted_source, source)
    SELECT tenant_uid, tenant_name, zitadel_org_id, created_at, deleted_at, deleted_not_before, deleted_source, source
    FROM news
    ORDER BY created_at, first_version, tenant_uid  -- one live row a name: the older ends before the newer begins
    ON CONFLICT (tenant_uid) DO UPDATE
        SET zitadel_org_id = excluded.zitadel_org_id,
            (deleted_at, deleted_not_before, deleted_source) = (
                SELECT at, not_before, source
                FROM (VALUES (excluded.deleted_at, excluded.deleted_not_before, excluded.deleted_source, 1),
                             (l.deleted_at, l.deleted_not_before, l.deleted_source, 2)) AS ends (at, not_before, source, rank)
                ORDER BY at, rank  -- NULL last
                LIMIT 1)
    RETURNING xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE inserted) FROM written
