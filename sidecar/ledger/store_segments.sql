-- The delivered position moves with the facts of its transaction; it never moves back.
-- $1: facts `segment` as a JSON array.
INSERT INTO ledger.segments AS s (from_version, from_at, to_version, to_at)
SELECT from_version, from_at, max(to_version), max(to_at)
FROM json_to_recordset($1::json)
    AS g(from_version numeric(39), from_at timestamptz, to_version numeric(39), to_at timestamptz)
GROUP BY 1, 2
ON CONFLICT (from_version, from_at) DO UPDATE
    SET to_version = greatest(s.to_version, excluded.to_version), to_at = greatest(s.to_at, excluded.to_at)
