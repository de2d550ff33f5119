-- $1: facts `anomaly` as a JSON array.
INSERT INTO ledger.anomalies (kind, tenant_uid, detail, from_at, to_at)
SELECT kind, tenant_uid, detail, from_at, to_at
FROM json_to_recordset($1::json)
    AS g(kind text, tenant_uid uuid, detail jsonb, from_at timestamptz, to_at timestamptz)
ON CONFLICT DO NOTHING
