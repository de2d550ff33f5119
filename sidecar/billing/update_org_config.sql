-- The whole configuration anew.
UPDATE public.org_billing_config
SET pay_by_invoice = $2, auto_invoice_enabled = $3, auto_reminders_enabled = $4, stripe_customer_id = $5,
    payment_terms_days = $6, legal_name = $7, contact_name = $8, billing_email = $9, street = $10,
    house_number = $11, postal_code = $12, town = $13, country = $14, language = $15, vat_number = $16,
    vat_treatment = $17, customer_reference = $18, updated_at = clock_timestamp()
WHERE zitadel_org_id = $1
RETURNING zitadel_org_id, pay_by_invoice, auto_invoice_enabled, auto_reminders_enabled, stripe_customer_id,
          payment_terms_days, legal_name, contact_name, billing_email, street, house_number, postal_code, town,
          country, language, vat_number, vat_treatment, customer_reference, created_at, updated_at
