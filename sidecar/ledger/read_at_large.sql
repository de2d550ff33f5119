-- The opposite of read_by_key.sql, for statements that look at all tenants: the planner's choice.
SET LOCAL plan_cache_mode = DEFAULT;
SET LOCAL enable_seqscan = DEFAULT;
SET LOCAL enable_bitmapscan = DEFAULT;
