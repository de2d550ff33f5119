-- The tenants that have had this name, oldest first.
SELECT tenant_uid::text FROM ledger.tenants WHERE tenant_name = $1 ORDER BY created_at, tenant_uid
