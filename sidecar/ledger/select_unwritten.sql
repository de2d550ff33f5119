-- Observations that follow with an event that has no row (a database restored in part), in order: those of the tenants
-- above $1, up to and including $2 (NULL: all).
WITH compared AS (
    SELECT o.tenant_uid, o.generation, o.packages, o.suspended, o.deletion_requested_at,
           lag(o.generation) OVER neighbours IS NULL AS baseline,
           coalesce(lag(o.packages) OVER neighbours, '{}') AS packages_before,
           coalesce(lag(o.suspended) OVER neighbours, false) AS suspended_before
    FROM ledger.observations o
    WHERE o.unreadable IS NULL
      AND o.tenant_uid > $1::uuid AND o.tenant_uid <= coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    WINDOW neighbours AS (PARTITION BY o.tenant_uid ORDER BY o.generation)
)
SELECT c.tenant_uid::text, c.generation
FROM compared c
JOIN ledger.tenants t USING (tenant_uid)
CROSS JOIN ledger.history h
WHERE c.deletion_requested_at IS NULL
  AND (NOT c.baseline OR t.created_at >= h.started_at OR h.adopted_at IS NOT NULL)
  AND (c.suspended <> c.suspended_before
           AND NOT EXISTS (SELECT FROM public.tenant_suspension_events e
                           WHERE e.tenant_uid = c.tenant_uid AND e.generation = c.generation)
       OR c.packages <> c.packages_before
           AND EXISTS (((SELECT unnest(c.packages) EXCEPT SELECT unnest(c.packages_before))
                        UNION ALL
                        (SELECT unnest(c.packages_before) EXCEPT SELECT unnest(c.packages)))
                       EXCEPT
                       SELECT e.skill_id FROM public.tenant_skill_events e
                       WHERE e.tenant_uid = c.tenant_uid AND e.generation = c.generation))
ORDER BY c.tenant_uid, c.generation
