WITH held AS (
    UPDATE ledger.censuses SET held = true WHERE version = $1::text::numeric(39) AND sent_at = $2
)
INSERT INTO ledger.anomalies (kind, detail, from_at, to_at)
VALUES ('mass_removal',
        jsonb_build_object('version', $1::text, 'live', $3::bigint, 'vanished', $4::bigint, 'examples', $5::text[],
                           'what_to_do', 'if these tenants are really gone: python -m sidecar accept-removals'),
        $2, $2)
ON CONFLICT DO NOTHING
