-- Our history began no later than $2. Returns what it was said to be before, and the cluster it belongs to.
UPDATE ledger.history h
SET cluster_uid = coalesce(h.cluster_uid, $1), started_at = least(h.started_at, $2::timestamptz)
FROM ledger.history before
RETURNING h.cluster_uid, before.started_at AS before, h.started_at AS started_at
