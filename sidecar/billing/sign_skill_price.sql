-- Who is about to delete this price: a deleted row's history can only say what the row said last.
UPDATE public.skill_pricing SET updated_by = $2, updated_at = clock_timestamp() WHERE skill_id = $1
