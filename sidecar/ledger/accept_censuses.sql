-- A person says that what the held censuses lack is really gone. Returns each of them.
UPDATE ledger.censuses
SET held = false, accepted_at = clock_timestamp(), accepted_by = $1
WHERE held
RETURNING version::text, sent_at
