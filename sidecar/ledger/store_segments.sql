-- The delivered position moves with the facts of its transaction; it never moves back.
INSERT INTO ledger.segments AS s (from_version, from_at, to_version, to_at)
SELECT from_version::numeric(39), from_at, max(to_version::numeric(39)), max(to_at)
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[]) AS g(from_version, from_at, to_version, to_at)
GROUP BY 1, 2
ON CONFLICT (from_version, from_at) DO UPDATE
    SET to_version = greatest(s.to_version, excluded.to_version), to_at = greatest(s.to_at, excluded.to_at)
