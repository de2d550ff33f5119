-- Events follow from each given observation and its neighbours: packages gained are enabled, lost are disabled,
-- the suspend flag rising is suspended, falling is resumed. What follows is added, nothing is changed.
-- $1, $2: tenant uids and generations as JSON arrays, one pair an observation. $3: the source to name instead of the
-- observation's own, or NULL. Returns how many rows were new.
WITH given AS (
    SELECT DISTINCT uid::uuid AS tenant_uid, generation::bigint AS generation
    FROM ROWS FROM (json_array_elements_text($1::json), json_array_elements_text($2::json)) AS g(uid, generation)
), touched AS (  -- a change is written at the upper of two neighbours: at the given one and at the next above it
    SELECT tenant_uid, generation FROM given
    UNION
    SELECT g.tenant_uid, above.generation
    FROM given g
    CROSS JOIN LATERAL (
        SELECT o.generation FROM ledger.observations o
        WHERE o.tenant_uid = g.tenant_uid AND o.generation > g.generation AND o.unreadable IS NULL
        ORDER BY o.generation
        LIMIT 1
    ) above
), compared AS MATERIALIZED (
    SELECT o.tenant_uid, o.generation, o.tenant_name, coalesce($3::text, o.source) AS source, o.packages, o.suspended,
           o.recorded_at, t.created_at, (SELECT started_at FROM ledger.history WHERE id = 1) AS started_at,
           below.generation IS NULL AS baseline,
           coalesce(below.packages, '{}') AS packages_before,
           coalesce(below.suspended, false) AS suspended_before
    FROM touched
    CROSS JOIN LATERAL (
        SELECT * FROM ledger.observations o
        WHERE o.tenant_uid = touched.tenant_uid AND o.generation = touched.generation
        LIMIT 1
    ) o
    CROSS JOIN LATERAL (SELECT * FROM ledger.tenants t WHERE t.tenant_uid = o.tenant_uid LIMIT 1) t
    LEFT JOIN LATERAL (
        SELECT b.generation, b.packages, b.suspended FROM ledger.observations b
        WHERE b.tenant_uid = o.tenant_uid AND b.generation < o.generation AND b.unreadable IS NULL
        ORDER BY b.generation DESC
        LIMIT 1
    ) below ON true
    WHERE o.unreadable IS NULL
      AND o.deletion_requested_at IS NULL  -- billing ends with the request
      -- an inherited baseline waits until a person has adopted it
      AND (below.generation IS NOT NULL
           OR t.created_at >= (SELECT started_at FROM ledger.history WHERE id = 1)
           OR (SELECT adopted_at FROM ledger.history WHERE id = 1) IS NOT NULL)
      AND (o.packages IS DISTINCT FROM coalesce(below.packages, '{}')
           OR o.suspended IS DISTINCT FROM coalesce(below.suspended, false))
), timed AS MATERIALIZED (  -- the rules of view ledger.generations, for these generations only
    SELECT c.*, org.zitadel_org_id, at.key AS at_key, not_before.at AS began_after,
           CASE WHEN assumed.yes THEN c.created_at ELSE seen.at END AS occurred_at,
           CASE WHEN c.generation = 1 THEN 'creation'
                WHEN assumed.yes THEN 'assumed'
                WHEN e.deleted_at < ledger.key_time(at.key) THEN replace(e.deleted_source, 'census', 'late')
                ELSE coalesce(ledger.key_source(at.key), 'late')
           END AS time_source,
           CASE WHEN c.baseline AND c.generation > 1 THEN (
               SELECT max(s.at) FROM ledger.sightings s
               WHERE s.tenant_uid = c.tenant_uid AND s.generation = c.generation AND s.source = 'suspended_at'
                 AND s.at BETWEEN c.created_at AND seen.at) END AS suspended_at
    FROM compared c
    LEFT JOIN LATERAL (SELECT * FROM ledger.ends e WHERE e.tenant_uid = c.tenant_uid LIMIT 1) e ON true
    CROSS JOIN LATERAL (
        SELECT min(ledger.time_key(s.at, s.source)) AS key FROM ledger.sightings s
        WHERE s.tenant_uid = c.tenant_uid AND s.generation >= c.generation AND s.source <> 'suspended_at'
    ) at
    LEFT JOIN LATERAL (
        SELECT s.not_before AS at FROM ledger.sightings s
        -- + 0: from the newest bound on, which is almost always the one, rather than along all generations
        WHERE s.tenant_uid = c.tenant_uid AND s.generation + 0 <= c.generation AND s.not_before IS NOT NULL
        ORDER BY s.not_before DESC
        LIMIT 1
    ) not_before ON true
    LEFT JOIN LATERAL (
        SELECT o.zitadel_org_id FROM ledger.orgs o
        WHERE o.tenant_uid = c.tenant_uid AND o.generation = c.generation
        ORDER BY o.resource_version
        LIMIT 1
    ) org ON true
    CROSS JOIN LATERAL (
        SELECT greatest(least(coalesce(ledger.key_time(at.key), c.recorded_at), e.deleted_at), c.created_at) AS at
    ) seen
    CROSS JOIN LATERAL (
        SELECT c.generation = 1 OR c.baseline AND c.created_at < coalesce(c.started_at, 'infinity') AS yes
    ) assumed
), skills AS (
    INSERT INTO public.tenant_skill_events (tenant_uid, tenant_name, zitadel_org_id, skill_id, event_kind,
                                            generation, occurred_at, not_before, time_source, source)
    SELECT t.tenant_uid, t.tenant_name, t.zitadel_org_id, change.skill_id, change.event_kind, t.generation,
           t.occurred_at, CASE WHEN t.time_source <> 'assumed' THEN ledger.no_later(t.began_after, t.occurred_at) END,
           t.time_source, t.source
    FROM timed t
    CROSS JOIN LATERAL (
        SELECT skill_id, 'enabled' AS event_kind
        FROM (SELECT unnest(t.packages) EXCEPT SELECT unnest(t.packages_before)) AS gained (skill_id)
        UNION ALL
        SELECT skill_id, 'disabled'
        FROM (SELECT unnest(t.packages_before) EXCEPT SELECT unnest(t.packages)) AS lost (skill_id)
    ) change
    ORDER BY t.tenant_uid, t.generation, change.skill_id
    ON CONFLICT (tenant_uid, generation, skill_id) DO NOTHING
    RETURNING 1
), suspensions AS (
    INSERT INTO public.tenant_suspension_events (tenant_uid, tenant_name, zitadel_org_id, event_kind,
                                                 generation, occurred_at, not_before, time_source, source)
    SELECT t.tenant_uid, t.tenant_name, t.zitadel_org_id,
           CASE WHEN t.suspended THEN 'suspended' ELSE 'resumed' END, t.generation,
           coalesce(t.suspended_at, t.occurred_at),
           CASE WHEN t.suspended_at IS NULL AND t.time_source <> 'assumed' THEN ledger.no_later(t.began_after, t.occurred_at) END,
           CASE WHEN t.suspended_at IS NULL THEN t.time_source ELSE 'suspended_at' END, t.source
    FROM timed t
    WHERE t.suspended <> t.suspended_before
    ORDER BY t.tenant_uid, t.generation
    ON CONFLICT (tenant_uid, generation) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM skills) AS skill_events, (SELECT count(*) FROM suspensions) AS suspension_events
