INSERT INTO ledger.backfills (asked_by) VALUES ($1) RETURNING id
