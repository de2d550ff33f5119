-- What happened to these tenants ($1), one after the other as given, each in the order of its generations. By the
-- uids, because the view's windows are theirs: a condition on the name would compute everybody's history first.
SELECT tenant_uid::text, generation, occurred_at, not_before, time_source, change, skill_id, actor, impersonated_by, how
FROM ledger.timeline
WHERE tenant_uid = ANY ($1::uuid[])
ORDER BY array_position($1::uuid[], tenant_uid),
         CASE change WHEN 'created' THEN 0 WHEN 'deletion requested' THEN 2 WHEN 'removed' THEN 3 ELSE 1 END,
         generation, change, skill_id
LIMIT $2 OFFSET $3
