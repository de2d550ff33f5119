-- $1: facts `removal` as a JSON array.
INSERT INTO ledger.removals (tenant_uid, source, at, last_generation, not_before)
SELECT tenant_uid, time_source, at, last_generation, not_before
FROM json_to_recordset($1::json)
    AS g(tenant_uid uuid, time_source text, at timestamptz, last_generation bigint, not_before timestamptz)
ON CONFLICT (tenant_uid, source, at) DO NOTHING
