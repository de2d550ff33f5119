-- The newest first.
SELECT id, kind, tenant_uid::text, detail::text, from_at, to_at, recorded_at FROM ledger.anomalies ORDER BY id DESC LIMIT $1
