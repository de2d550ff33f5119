-- How many tenants live, and how many of them the census ($1 version, $2 sent_at) lacks. A tenant can only be
-- said to lack if it is not newer than the census, and if no later list has it. Those that only this list brought
-- do not count as living: one new tenant of a wrong cluster must not hide that all of ours are gone.
WITH living AS MATERIALIZED (
    SELECT t.tenant_uid, t.tenant_name,
           t.created_at < c.sent_at
           -- a set that does not depend on the tenant: hashed once, where a search in each array would be quadratic
           AND t.tenant_uid NOT IN (SELECT unnest(uids) FROM ledger.censuses
                                    WHERE version = $1::text::numeric(39) AND sent_at = $2)
           AND (SELECT max(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid) <= c.version
           AS lacking
    FROM ledger.tenants t
    LEFT JOIN ledger.ends e USING (tenant_uid)
    CROSS JOIN ledger.censuses c
    WHERE e.deleted_at IS NULL
      AND EXISTS (SELECT FROM ledger.sightings s WHERE s.tenant_uid = t.tenant_uid AND s.at < c.sent_at)
      AND c.version = $1::text::numeric(39) AND c.sent_at = $2
), later AS MATERIALIZED (
    SELECT DISTINCT tenant_uid
    FROM (SELECT unnest(uids) AS tenant_uid FROM ledger.censuses WHERE version > $1::text::numeric(39)) present
    WHERE tenant_uid IN (SELECT tenant_uid FROM living WHERE lacking)
)
SELECT count(*) AS live, count(*) FILTER (WHERE vanished) AS vanished,
       coalesce((array_agg(tenant_name ORDER BY tenant_name) FILTER (WHERE vanished))[1:10], '{}') AS examples
FROM (
    SELECT living.tenant_name, living.lacking AND later.tenant_uid IS NULL AS vanished
    FROM living
    LEFT JOIN later USING (tenant_uid)
) l
