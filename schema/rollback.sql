-- Undoes all migrations, and with them every recorded event: psql --single-transaction -f rollback.sql
-- The next start of the sidecar creates everything again, empty.

DROP TABLE IF EXISTS invoice_reminders, invoice_lines, invoices,
invoice_number_counters, org_payment_methods, org_billing_config,
tenant_suspension_events, tenant_skill_events,
tenant_billing_lifecycle, skill_pricing, platform_pricing CASCADE;

DROP SCHEMA IF EXISTS ledger CASCADE;
