SELECT zitadel_org_id, pay_by_invoice, auto_invoice_enabled, auto_reminders_enabled, stripe_customer_id,
       payment_terms_days, legal_name, contact_name, billing_email, street, house_number, postal_code, town,
       country, language, vat_number, vat_treatment, customer_reference, created_at, updated_at
FROM public.org_billing_config
WHERE zitadel_org_id = $1
