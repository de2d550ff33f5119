-- Lists that lack more tenants at once than may end without a person's word.
SELECT version::text, sent_at, count(*) OVER () AS total FROM ledger.censuses WHERE held ORDER BY sent_at LIMIT $1
