-- Two clocks: a generation that by one of them had not begun when by another it had. Whole-second stamps explain a
-- second. The bounds are those of view ledger.generations, so a fact about one generation can be against all up to
-- another: whichever of two such facts comes last finds all of these, so that their order does not matter.
-- $1, $2: tenant uids and generations as JSON arrays, one pair a fact `seen`, all of them stored.
WITH suspected AS MATERIALIZED (  -- where the bounds disagree, or disagreed before: no fact can be against others elsewhere
    SELECT g.tenant_uid, g.generation, t.created_at
    FROM (
        SELECT DISTINCT uid::uuid AS tenant_uid, generation::bigint AS generation
        FROM ROWS FROM (json_array_elements_text($1::json), json_array_elements_text($2::json)) AS g(uid, generation)
    ) g
    CROSS JOIN LATERAL (
        SELECT s.not_before AS at FROM ledger.sightings s
        -- + 0: the newest is almost always the one, rather than along all generations
        WHERE s.tenant_uid = g.tenant_uid AND s.generation + 0 <= g.generation AND s.not_before IS NOT NULL
        ORDER BY s.not_before DESC
        LIMIT 1
    ) not_before
    CROSS JOIN LATERAL (SELECT * FROM ledger.tenants t WHERE t.tenant_uid = g.tenant_uid LIMIT 1) t
    WHERE not_before.at > interval '1 second' + CASE WHEN g.generation = 1 THEN t.created_at ELSE (
        SELECT greatest(min(s.at), t.created_at) FROM ledger.sightings s
        WHERE s.tenant_uid = g.tenant_uid AND s.generation >= g.generation AND s.source <> 'suspended_at') END
), given AS MATERIALIZED (
    SELECT g.*, own.not_before - interval '1 second' AS began_after,
           CASE WHEN g.generation = 1 THEN g.created_at
                ELSE greatest(own.at, g.created_at) END + interval '1 second' AS began_by
    FROM suspected g
    CROSS JOIN LATERAL (
        SELECT min(s.at) AS at, max(s.not_before) AS not_before FROM ledger.sightings s
        WHERE s.tenant_uid = g.tenant_uid AND s.generation = g.generation AND s.source <> 'suspended_at'
    ) own
), reached AS (  -- by an earlier one that had not begun, or a later one that had; almost always by none
    SELECT g.tenant_uid, g.created_at,
           -- + 0: along the bounds that are newer, of which there are next to none, rather than along all generations
           coalesce((SELECT min(s.generation + 0) FROM ledger.sightings s
                     WHERE s.tenant_uid = g.tenant_uid AND s.not_before > g.began_by
                       AND s.generation + 0 <= g.generation), g.generation) AS first,
           coalesce((SELECT max(s.generation) FROM ledger.sightings s
                     WHERE s.tenant_uid = g.tenant_uid AND s.generation >= g.generation
                       AND s.at < g.began_after AND s.source <> 'suspended_at'), g.generation) AS last
    FROM given g
)
INSERT INTO ledger.anomalies (kind, tenant_uid, detail, from_at, to_at)
SELECT DISTINCT 'clock_skew', r.tenant_uid, jsonb_build_object('generation', o.generation), began.by, not_before.at
FROM reached r
CROSS JOIN LATERAL (
    SELECT o.generation FROM ledger.observations o
    WHERE o.tenant_uid = r.tenant_uid AND o.generation BETWEEN r.first AND r.last
    OFFSET 0
) o
CROSS JOIN LATERAL (
    SELECT s.not_before AS at FROM ledger.sightings s
    -- + 0: as above; the newest is almost always the one
    WHERE s.tenant_uid = r.tenant_uid AND s.generation + 0 <= o.generation AND s.not_before IS NOT NULL
    ORDER BY s.not_before DESC
    LIMIT 1
) not_before
CROSS JOIN LATERAL (
    SELECT CASE WHEN o.generation = 1 THEN r.created_at ELSE (
        SELECT greatest(min(s.at), r.created_at) FROM ledger.sightings s
        WHERE s.tenant_uid = r.tenant_uid AND s.generation >= o.generation AND s.source <> 'suspended_at')
    END AS by
) began
WHERE not_before.at > began.by + interval '1 second'
ON CONFLICT DO NOTHING
