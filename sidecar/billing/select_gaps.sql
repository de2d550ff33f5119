SELECT from_version::text, to_version::text, from_at, to_at, count(*) OVER () AS total
FROM ledger.gaps
ORDER BY ledger.gaps.from_version
LIMIT $1
