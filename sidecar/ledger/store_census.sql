-- Returns a row only if the census is new.
INSERT INTO ledger.censuses (version, sent_at, answered_at, not_before, uids, gone)
VALUES ($1::text::numeric(39), $2, $3, $4, $5::uuid[], $6::uuid[])
ON CONFLICT (version, sent_at) DO NOTHING
RETURNING version
