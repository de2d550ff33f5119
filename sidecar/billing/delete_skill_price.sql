DELETE FROM public.skill_pricing WHERE skill_id = $1
