-- Raised in the transaction that inserts, so that no crash and no second replica can falsify them.
UPDATE ledger.backfills
SET lifecycle_inserted = lifecycle_inserted + $2, events_inserted = events_inserted + $3,
    suspension_events_inserted = suspension_events_inserted + $4
WHERE id = $1
