-- How much there is of what `completeness` lists. Missing generations are counted per tenant, from its lowest and
-- highest number and how many are known between them: the view, which finds out which ones they are, takes three times
-- as long.
SELECT (
           SELECT coalesce(sum(greatest(o.highest, r.highest)
                               - CASE WHEN t.created_at >= h.started_at THEN 1 ELSE o.lowest END + 1 - o.known), 0)
           FROM (SELECT tenant_uid, min(generation) AS lowest, max(generation) AS highest, count(*) AS known
                 FROM ledger.observations GROUP BY tenant_uid) o
           JOIN ledger.tenants t USING (tenant_uid)
           CROSS JOIN ledger.history h
           LEFT JOIN (SELECT tenant_uid, max(last_generation) AS highest FROM ledger.removals GROUP BY tenant_uid) r
               USING (tenant_uid)
       )::bigint AS missing_generations,
       (SELECT count(*) FROM ledger.open_ends) AS open_ends,
       (SELECT count(*) FROM ledger.gaps) AS gaps,
       (SELECT count(*) FROM ledger.censuses WHERE held) AS held_censuses
