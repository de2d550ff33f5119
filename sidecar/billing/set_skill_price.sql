-- As update_platform_pricing, for a skill that may not have had a price.
INSERT INTO public.skill_pricing (skill_id, daily_price_chf, updated_by)
VALUES ($1, $2, $3)
ON CONFLICT (skill_id) DO UPDATE
SET daily_price_chf = excluded.daily_price_chf, updated_by = excluded.updated_by, updated_at = clock_timestamp()
RETURNING skill_id, daily_price_chf, updated_at, updated_by
