-- New prices, by whom. The triggers keep the version before and after in ledger.pricing_history; giving the time
-- too tells them that updated_by is meant, also when the same person changes a price twice.
UPDATE public.platform_pricing
SET tenant_monthly_fee_chf = $1, tenant_setup_fee_chf = $2, threema_message_chf = $3, vat_rate_chli = $4,
    updated_by = $5, updated_at = clock_timestamp()
WHERE id = 1
RETURNING tenant_monthly_fee_chf, tenant_setup_fee_chf, threema_message_chf, vat_rate_chli, updated_at, updated_by
