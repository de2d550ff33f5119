-- What waits for a person: a content that contradicts an earlier one, a fact that Postgres refused, an object
-- that could not be read.
SELECT kind, count(*) AS count
FROM ledger.anomalies
WHERE kind IN ('diverged', 'set_aside', 'unreadable')
GROUP BY kind
ORDER BY kind
