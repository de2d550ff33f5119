-- The platform's prices.
SELECT tenant_monthly_fee_chf, tenant_setup_fee_chf, threema_message_chf, vat_rate_chli, updated_at, updated_by
FROM public.platform_pricing
WHERE id = 1
