SELECT finished_at IS NOT NULL AS finished, tenants_examined, lifecycle_inserted, events_inserted,
       suspension_events_inserted, problems::text AS problems
FROM ledger.backfills
WHERE id = $1
