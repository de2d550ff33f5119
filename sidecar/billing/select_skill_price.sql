SELECT skill_id, daily_price_chf, updated_at, updated_by FROM public.skill_pricing WHERE skill_id = $1
