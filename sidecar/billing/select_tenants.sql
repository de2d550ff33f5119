-- A page of tenants, living or gone, in the order of their uids, which never changes: from the one after $3 on.
SELECT tenant_uid::text, tenant_name, zitadel_org_id, created_at, deleted_at, deleted_not_before, deleted_source,
       source, recorded_at
FROM public.tenant_billing_lifecycle
WHERE ($1::text IS NULL OR tenant_name = $1)
  AND ($2::boolean IS NULL OR (deleted_at IS NULL) = $2)
  AND ($3::uuid IS NULL OR tenant_uid > $3)
ORDER BY tenant_uid
LIMIT $4
