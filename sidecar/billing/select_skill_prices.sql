-- Every skill that has a price.
SELECT skill_id, daily_price_chf, updated_at, updated_by FROM public.skill_pricing ORDER BY skill_id
