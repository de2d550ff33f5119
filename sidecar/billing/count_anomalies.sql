-- What waits for a person: a content that contradicts an earlier one, a fact that Postgres refused, an object
-- that could not be read, an etcd that was restored (what its other history had is not known), a line that was
-- skipped, or a change that the watch hid (what else it hid is not known).
SELECT kind, count(*) AS count
FROM ledger.anomalies
WHERE kind IN ('diverged', 'set_aside', 'unreadable', 'version_ahead', 'line_too_long', 'watch_missed')
  -- The fact was delivered after all, by a later start or another run: this version of its tenant is in the ledger. The
  -- text is taken apart by patterns, because it need not be JSON.
  AND NOT (kind = 'set_aside' AND detail->>'fact' LIKE '{"fact":"seen",%' AND EXISTS (
      SELECT FROM ledger.orgs o
      WHERE o.tenant_uid = substring(
                detail->>'fact' FROM '"tenant_uid":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')::uuid
        AND o.resource_version = substring(detail->>'fact' FROM '"resource_version":"([0-9]{1,39})"')::numeric))
GROUP BY kind
ORDER BY kind
