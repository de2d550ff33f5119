-- The defaults for an organisation that has no row yet; whoever reads it first makes it.
INSERT INTO public.org_billing_config (zitadel_org_id) VALUES ($1) ON CONFLICT (zitadel_org_id) DO NOTHING
