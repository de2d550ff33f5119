-- Where delivery stands: the newest end of a segment.
SELECT to_version::text AS version, to_at AS at FROM ledger.segments ORDER BY to_at DESC, to_version DESC LIMIT 1
