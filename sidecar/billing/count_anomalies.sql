-- What waits for a person: a content that contradicts an earlier one, a fact that Postgres refused, an object
-- that could not be read, an etcd that was restored (what its other history had is not known), a line that was
-- skipped, or a change that the watch hid (what else it hid is not known).
SELECT kind, count(*) AS count
FROM ledger.anomalies
WHERE kind IN ('diverged', 'set_aside', 'unreadable', 'version_ahead', 'line_too_long', 'watch_missed')
GROUP BY kind
ORDER BY kind
