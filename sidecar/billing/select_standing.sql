-- Which cluster, since when, and where delivery stands: the newest end of a segment.
SELECT h.cluster_uid, h.started_at, h.adopted_at, h.adopted_by,
       s.to_version::text AS delivered_version, s.to_at AS delivered_at
FROM ledger.history h
LEFT JOIN (SELECT to_version, to_at FROM ledger.segments ORDER BY to_at DESC, to_version DESC LIMIT 1) s ON true
