-- Tenants without a lifecycle row.
SELECT t.tenant_uid::text
FROM ledger.tenants t
WHERE NOT EXISTS (SELECT FROM public.tenant_billing_lifecycle l WHERE l.tenant_uid = t.tenant_uid)
