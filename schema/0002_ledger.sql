-- Schema `ledger`: the facts, what is known about their completeness, and the views that invoices read.
--
-- Facts are append-only and keyed by the object they speak of (uid, generation, version), never by a clock of
-- ours alone, so that any order, repetition or batching of the same facts ends in the same views.

-- One row: which cluster this is, since when we watch, and whether a person has adopted what was there before.
CREATE TABLE ledger.history (
    id          smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    cluster_uid text,         -- uid of namespace kube-system; NULL until a sidecar has seen the cluster
    started_at  timestamptz,  -- the API server's Date at the first list of any replica; only moves earlier
    adopted_at  timestamptz,
    adopted_by  text
);
INSERT INTO ledger.history DEFAULT VALUES;

-- One row per uninterrupted stretch of one stream; the end moves in the transaction that delivers its facts.
CREATE TABLE ledger.segments (
    from_version numeric(39) NOT NULL,
    from_at      timestamptz NOT NULL,
    to_version   numeric(39) NOT NULL,
    to_at        timestamptz NOT NULL,
    PRIMARY KEY (from_version, from_at),
    CHECK (to_version >= from_version)
);
CREATE INDEX segments_newest ON ledger.segments (to_at DESC, to_version DESC);

-- A complete list. Held: it would have ended more tenants at once than a person has agreed to.
CREATE TABLE ledger.censuses (
    version     numeric(39) NOT NULL,
    sent_at     timestamptz NOT NULL,
    answered_at timestamptz NOT NULL,  -- of the first page, which fixes the version: what is absent was gone by then
    not_before  timestamptz,           -- what is in `gone` lived after this
    uids        uuid[]      NOT NULL,
    gone        uuid[]      NOT NULL,
    held        boolean     NOT NULL DEFAULT false,
    accepted_at timestamptz,
    accepted_by text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (version, sent_at),
    CHECK (answered_at >= sent_at),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
CREATE INDEX censuses_held ON ledger.censuses (sent_at) WHERE held;

-- Who a uid is: what never changes in a tenant's life. Told by the first fact about it.
CREATE TABLE ledger.tenants (
    tenant_uid  uuid        PRIMARY KEY,
    tenant_name text        NOT NULL,
    created_at  timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX tenants_name ON ledger.tenants (tenant_name, created_at);

-- At this generation the tenant had this content. No time: sightings have it.
CREATE TABLE ledger.observations (
    tenant_uid            uuid        NOT NULL,
    generation            bigint      NOT NULL CHECK (generation > 0),
    resource_version      numeric(39) NOT NULL,  -- the first one recorded for this generation
    tenant_name           text        NOT NULL,
    packages              text[],                -- sorted, no repeats; NULL only where unreadable
    suspended             boolean     NOT NULL,
    suspended_at          timestamptz,
    created_at            timestamptz NOT NULL,
    deletion_requested_at timestamptz,
    unreadable            text,                  -- why the content could not be read
    source                text        NOT NULL CHECK (source IN ('watch', 'list', 'audit', 'backfill')),
    content_sha256        bytea       NOT NULL,  -- of what bills: packages, suspended
    recorded_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_uid, generation),
    CHECK ((packages IS NULL) = (unreadable IS NOT NULL))
);
CREATE INDEX observations_deletion ON ledger.observations (tenant_uid, deletion_requested_at)
    WHERE deletion_requested_at IS NOT NULL;

-- Generation began after not_before and by `at`. Rows of source 'suspended_at' are claims of
-- status.suspendedAt; they time the suspension of a baseline and nothing else.
CREATE TABLE ledger.sightings (
    tenant_uid  uuid        NOT NULL,
    generation  bigint      NOT NULL CHECK (generation > 0),
    source      text        NOT NULL CHECK (source IN ('audit', 'watch', 'late', 'suspended_at')),
    at          timestamptz NOT NULL CHECK (isfinite(at)),
    not_before  timestamptz CHECK (isfinite(not_before)),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_uid, generation, source, at)
);
CREATE INDEX sightings_not_before ON ledger.sightings (tenant_uid, not_before) WHERE not_before IS NOT NULL;

-- The tenant is gone, and was by `at`.
CREATE TABLE ledger.removals (
    tenant_uid      uuid        NOT NULL,
    source          text        NOT NULL CHECK (source IN ('audit', 'watch', 'late', 'census')),
    at              timestamptz NOT NULL CHECK (isfinite(at)),
    last_generation bigint,     -- NULL where the source only says that it is gone
    not_before      timestamptz CHECK (isfinite(not_before)),
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_uid, source, at)
);

-- At this version the tenant carried this org label (a label change raises no generation).
CREATE TABLE ledger.orgs (
    tenant_uid       uuid        NOT NULL,
    resource_version numeric(39) NOT NULL,
    generation       bigint      NOT NULL,
    zitadel_org_id   text,
    recorded_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_uid, resource_version)
);
CREATE INDEX orgs_generation ON ledger.orgs (tenant_uid, generation, resource_version);

-- Who asked for what became a version. Version 0: one that the source cannot know, as the audit log of a removal.
-- how: what the source alone can say; view ledger.authors weighs all of them.
CREATE TABLE ledger.attributions (
    tenant_uid       uuid        NOT NULL,
    resource_version numeric(39) NOT NULL DEFAULT 0,
    source           text        NOT NULL CHECK (source IN ('admission', 'audit')),
    request_key      text        NOT NULL,  -- admission: the uid of the review
    generation       bigint,     -- NULL for a removal
    actor            text        NOT NULL,  -- who acted: under impersonation the impersonated user
    actor_groups     text[]      NOT NULL,
    impersonated_by  text,       -- the real user then
    operation        text        NOT NULL,
    how              text        NOT NULL CHECK (how IN ('proven', 'claimed', 'likely')),
    base_version     numeric(39),           -- the version that the request replaced, as our webhook saw it
    reviews          text[]      NOT NULL,  -- audit: the uids of the reviews that the request made
    audit_id         text,
    user_agent       text,
    source_ips       text[]      NOT NULL,
    asked_at         timestamptz,
    answered_at      timestamptz,
    recorded_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (tenant_uid, resource_version, source, request_key)
);
-- coalesce: for what is true of a removal (NULL) too, IS NOT DISTINCT FROM would use no index
CREATE INDEX attributions_generation ON ledger.attributions (tenant_uid, coalesce(generation, 0), resource_version);

-- Something a person must be able to find later.
CREATE TABLE ledger.anomalies (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL,
    tenant_uid  uuid,
    detail      jsonb       NOT NULL,
    from_at     timestamptz,
    to_at       timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX anomalies_once ON ledger.anomalies
    (kind, coalesce(tenant_uid, '00000000-0000-0000-0000-000000000000'), md5(detail::text));

-- One row a run of the backfill; its counts are raised in the transactions that insert.
CREATE TABLE ledger.backfills (
    id                         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asked_by                   text        NOT NULL,
    asked_at                   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at                timestamptz,
    tenants_examined           bigint      NOT NULL DEFAULT 0,
    lifecycle_inserted         bigint      NOT NULL DEFAULT 0,
    events_inserted            bigint      NOT NULL DEFAULT 0,
    suspension_events_inserted bigint      NOT NULL DEFAULT 0,
    problems                   jsonb       NOT NULL DEFAULT '[]'
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenants', 'observations', 'sightings', 'removals', 'orgs', 'attributions', 'anomalies'] LOOP
        EXECUTE format(
            'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.%I
             FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', name);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER append_only', name);
    END LOOP;
END
$$;


-- TIMES -----------------------------------------------------------------------------------------------------

-- A time and how it is known as one number that sorts by time, then by the better source: microseconds since
-- 1970 times four, plus the source's rank. (PostgreSQL 14 has no min() of a row. STABLE like extract(), or Postgres
-- would not inline it.)
CREATE FUNCTION ledger.time_key(at timestamptz, source text) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (extract(epoch FROM at) * 1000000)::bigint * 4 + CASE source WHEN 'audit' THEN 0 WHEN 'watch' THEN 1 ELSE 2 END;

CREATE FUNCTION ledger.key_time(key bigint) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN timestamptz 'epoch' + (key >> 2) * interval '1 microsecond';

CREATE FUNCTION ledger.key_source(key bigint) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE key & 3 WHEN 0 THEN 'audit' WHEN 1 THEN 'watch' ELSE 'late' END;

-- A bound that may not exceed a limit (two clocks); NULL stays NULL, which least() would not do.
CREATE FUNCTION ledger.no_later(bound timestamptz, most timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN bound > most THEN most ELSE bound END;

-- When and how each tenant ended: the least of the deletion's request, every removal, and the creation of the
-- next tenant of that name; never before its own creation (deletionTimestamp has whole seconds).
CREATE VIEW ledger.ends AS
SELECT t.tenant_uid,
       greatest(e.at, t.created_at) AS deleted_at,
       ledger.no_later(
           CASE WHEN e.source = 'deletion'
                THEN (SELECT max(s.not_before) FROM ledger.sightings s
                      WHERE s.tenant_uid = t.tenant_uid AND s.not_before IS NOT NULL AND s.generation <= (
                          SELECT min(d.generation)
                          FROM (SELECT o.generation FROM ledger.observations o
                                WHERE o.tenant_uid = t.tenant_uid AND o.deletion_requested_at IS NOT NULL
                                OFFSET 0) d))  -- of the few that have one, rather than along all generations
                ELSE greatest(
                    (SELECT max(r.not_before) FROM ledger.removals r
                     WHERE r.tenant_uid = t.tenant_uid AND (r.source <> 'census' OR r.at = e.at)),
                    (SELECT max(s.not_before) FROM ledger.sightings s
                     WHERE s.tenant_uid = t.tenant_uid AND s.not_before IS NOT NULL))
           END,
           greatest(e.at, t.created_at)) AS deleted_not_before,
       e.source AS deleted_source
FROM ledger.tenants t
CROSS JOIN LATERAL (
    SELECT c.at, c.source
    FROM (
        SELECT min(o.deletion_requested_at) AS at, 'deletion' AS source, 0 AS rank
        FROM ledger.observations o
        WHERE o.tenant_uid = t.tenant_uid AND o.deletion_requested_at IS NOT NULL
        UNION ALL
        SELECT r.at, r.source, CASE r.source WHEN 'audit' THEN 1 WHEN 'watch' THEN 2 WHEN 'late' THEN 3 ELSE 4 END
        FROM ledger.removals r
        WHERE r.tenant_uid = t.tenant_uid
        UNION ALL
        SELECT next.created_at, 'inferred', 5
        FROM (
            SELECT n.created_at
            FROM ledger.tenants n
            WHERE n.tenant_name = t.tenant_name
              AND n.created_at >= t.created_at
              AND n.tenant_uid <> t.tenant_uid
              AND (n.created_at > t.created_at
                   -- the uid: for two that say that one version was the first of both, which no cluster does
                   OR ((SELECT min(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = n.tenant_uid),
                       n.tenant_uid)
                    > ((SELECT min(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid),
                       t.tenant_uid))
            ORDER BY n.created_at
            LIMIT 1  -- from this one on along the index, rather than all that ever had the name
        ) next
    ) c
    WHERE c.at IS NOT NULL
    ORDER BY c.at, c.rank
    LIMIT 1
) e;

-- For each observed generation: its best time, how that is known, and the last moment known to be before it.
-- at: the least of any sighting of this generation or a later one; not_before: the greatest of this one or an
-- earlier one. Least and greatest do not depend on the order in which facts arrive.
CREATE VIEW ledger.generations AS
SELECT g.tenant_uid, g.generation, g.baseline, g.inherited, b.occurred_at, b.time_source,
       CASE WHEN b.time_source <> 'assumed' THEN ledger.no_later(g.not_before, b.occurred_at) END AS not_before,
       CASE WHEN g.baseline AND g.generation > 1 THEN (
           SELECT max(s.at) FROM ledger.sightings s
           WHERE s.tenant_uid = g.tenant_uid AND s.generation = g.generation AND s.source = 'suspended_at'
             AND s.at BETWEEN g.created_at AND g.seen_at) END AS suspended_at
FROM (
    SELECT k.*, t.created_at, e.deleted_at, e.deleted_source,
           t.created_at < coalesce(h.started_at, 'infinity') AS inherited,
           k.generation = k.lowest AS baseline,
           -- never before its creation, never after its end
           greatest(least(coalesce(ledger.key_time(k.at_key), k.recorded_at), e.deleted_at), t.created_at) AS seen_at
    FROM (
        SELECT s.tenant_uid, s.generation, s.readable, s.recorded_at,
               min(s.at_key) OVER (PARTITION BY s.tenant_uid ORDER BY s.generation DESC) AS at_key,
               max(s.not_before) OVER (PARTITION BY s.tenant_uid ORDER BY s.generation) AS not_before,
               min(s.generation) FILTER (WHERE s.readable) OVER (PARTITION BY s.tenant_uid) AS lowest
        FROM (
            SELECT u.tenant_uid, u.generation, min(u.at_key) AS at_key, max(u.not_before) AS not_before,
                   min(u.recorded_at) AS recorded_at, bool_or(u.readable) AS readable
            FROM (
                SELECT tenant_uid, generation, ledger.time_key(at, source) AS at_key, not_before,
                       NULL::timestamptz AS recorded_at, NULL::boolean AS readable
                FROM ledger.sightings
                WHERE source <> 'suspended_at'
                UNION ALL
                SELECT tenant_uid, generation, NULL, NULL, recorded_at, unreadable IS NULL
                FROM ledger.observations
            ) u
            GROUP BY u.tenant_uid, u.generation
        ) s
    ) k
    JOIN ledger.tenants t USING (tenant_uid)
    LEFT JOIN ledger.ends e USING (tenant_uid)
    CROSS JOIN ledger.history h
    WHERE k.readable IS NOT NULL
) g
CROSS JOIN LATERAL (
    SELECT CASE WHEN g.generation = 1 OR g.baseline AND g.inherited THEN g.created_at ELSE g.seen_at END AS occurred_at,
           CASE WHEN g.generation = 1 THEN 'creation'
                WHEN g.baseline AND g.inherited THEN 'assumed'
                WHEN g.deleted_at < ledger.key_time(g.at_key) THEN replace(g.deleted_source, 'census', 'late')
                ELSE coalesce(ledger.key_source(g.at_key), 'late')
           END AS time_source
) b;

-- The org at the lowest known version of each generation.
CREATE VIEW ledger.generation_orgs AS
SELECT DISTINCT ON (tenant_uid, generation) tenant_uid, generation, zitadel_org_id
FROM ledger.orgs
ORDER BY tenant_uid, generation, resource_version;


-- WHAT INVOICES READ ----------------------------------------------------------------------------------------

-- public.tenant_skill_events with the best time known now, without the rows that repeat the state before them.
CREATE VIEW ledger.skill_events AS
SELECT id, tenant_uid, tenant_name, zitadel_org_id, skill_id, event_kind, generation, occurred_at, not_before,
       time_source, source, recorded_at
FROM (
    SELECT e.id, e.tenant_uid, e.tenant_name, o.zitadel_org_id, e.skill_id, e.event_kind, e.generation,
           g.occurred_at, g.not_before, g.time_source, e.source, e.recorded_at,
           lag(e.event_kind) OVER (PARTITION BY e.tenant_uid, e.skill_id ORDER BY e.generation) AS before
    FROM public.tenant_skill_events e
    JOIN ledger.generations g USING (tenant_uid, generation)
    LEFT JOIN ledger.generation_orgs o USING (tenant_uid, generation)
) e
WHERE event_kind IS DISTINCT FROM before;

CREATE VIEW ledger.suspension_events AS
SELECT id, tenant_uid, tenant_name, zitadel_org_id, event_kind, generation, occurred_at, not_before,
       time_source, source, recorded_at
FROM (
    SELECT e.id, e.tenant_uid, e.tenant_name, o.zitadel_org_id, e.event_kind, e.generation,
           CASE WHEN g.suspended_at IS NULL THEN g.occurred_at ELSE g.suspended_at END AS occurred_at,
           CASE WHEN g.suspended_at IS NULL THEN g.not_before END AS not_before,
           CASE WHEN g.suspended_at IS NULL THEN g.time_source ELSE 'suspended_at' END AS time_source,
           e.source, e.recorded_at,
           lag(e.event_kind) OVER (PARTITION BY e.tenant_uid ORDER BY e.generation) AS before
    FROM public.tenant_suspension_events e
    JOIN ledger.generations g USING (tenant_uid, generation)
    LEFT JOIN ledger.generation_orgs o USING (tenant_uid, generation)
) e
WHERE event_kind IS DISTINCT FROM before;

-- When each skill was in use and to be paid: half-open, suspension taken out, cut by the tenant's life.
-- ended_at NULL: still running.
CREATE VIEW ledger.skill_intervals AS
WITH suspended AS (
    SELECT tenant_uid, range_agg(during) AS during
    FROM (
        SELECT tenant_uid, event_kind,
               tstzrange(occurred_at, lead(occurred_at) OVER (PARTITION BY tenant_uid ORDER BY generation)) AS during
        FROM ledger.suspension_events
    ) s
    WHERE event_kind = 'suspended'
    GROUP BY tenant_uid
), enabled AS (
    SELECT tenant_uid, tenant_name, zitadel_org_id, skill_id, generation, during
    FROM (
        SELECT tenant_uid, tenant_name, zitadel_org_id, skill_id, generation, event_kind,
               tstzrange(occurred_at,
                         lead(occurred_at) OVER (PARTITION BY tenant_uid, skill_id ORDER BY generation)) AS during
        FROM ledger.skill_events
    ) e
    WHERE event_kind = 'enabled'
)
SELECT e.tenant_uid, e.tenant_name, e.zitadel_org_id, e.skill_id, e.generation,
       lower(piece) AS started_at, upper(piece) AS ended_at
FROM enabled e
JOIN public.tenant_billing_lifecycle l USING (tenant_uid)
LEFT JOIN suspended s USING (tenant_uid)
CROSS JOIN LATERAL unnest(
    tstzmultirange(e.during) * tstzmultirange(tstzrange(l.created_at, l.deleted_at))
    - coalesce(s.during, tstzmultirange())
) AS piece;


-- WHAT IS MISSING -------------------------------------------------------------------------------------------

-- Generations that existed and that no source has told us. A row is gone once supplied. Those below an
-- inherited baseline are before our history, not missing.
CREATE VIEW ledger.missing_generations AS
SELECT m.tenant_uid, t.tenant_name, m.generation_from, m.generation_to,
       (SELECT max(s.not_before) FROM ledger.sightings s
        WHERE s.tenant_uid = m.tenant_uid AND s.generation <= m.generation_from) AS not_before,
       coalesce(
           (SELECT min(s.at) FROM ledger.sightings s
            WHERE s.tenant_uid = m.tenant_uid AND s.generation >= m.generation_to AND s.source <> 'suspended_at'),
           (SELECT min(r.at) FROM ledger.removals r WHERE r.tenant_uid = m.tenant_uid)) AS at
FROM (
    SELECT o.tenant_uid, o.generation + 1 AS generation_from,
           coalesce(lead(o.generation) OVER (PARTITION BY o.tenant_uid ORDER BY o.generation),
                    (SELECT max(r.last_generation) + 1 FROM ledger.removals r WHERE r.tenant_uid = o.tenant_uid))
               - 1 AS generation_to
    FROM ledger.observations o
    UNION ALL
    SELECT o.tenant_uid, 1, min(o.generation) - 1
    FROM ledger.observations o
    JOIN ledger.tenants t USING (tenant_uid)
    CROSS JOIN ledger.history h
    WHERE t.created_at >= h.started_at
    GROUP BY o.tenant_uid
) m
JOIN ledger.tenants t USING (tenant_uid)
WHERE m.generation_to >= m.generation_from;

-- Ended tenants of which neither the last generation nor a request for deletion is known: something may have
-- changed between what we saw last and the end. (An end that is only inferred from the next tenant of that name
-- has no removal at all.)
CREATE VIEW ledger.open_ends AS
SELECT l.tenant_uid, l.tenant_name,
       (SELECT max(o.generation) FROM ledger.observations o WHERE o.tenant_uid = l.tenant_uid) AS last_known_generation,
       l.deleted_at AS at
FROM public.tenant_billing_lifecycle l
WHERE l.deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM ledger.removals r
                  WHERE r.tenant_uid = l.tenant_uid AND r.last_generation IS NOT NULL)
  AND NOT EXISTS (SELECT FROM ledger.observations o
                  WHERE o.tenant_uid = l.tenant_uid AND o.deletion_requested_at IS NOT NULL)
UNION ALL
-- removed, and nobody has told us that it ever was
SELECT r.tenant_uid, NULL, NULL, min(r.at)
FROM ledger.removals r
WHERE NOT EXISTS (SELECT FROM ledger.tenants t WHERE t.tenant_uid = r.tenant_uid)
GROUP BY r.tenant_uid;

-- Stretches of versions between the first segment and the newest that no replica watched.
CREATE VIEW ledger.gaps AS
SELECT s.covered_to AS from_version, s.from_version AS to_version,
       (SELECT min(c.to_at) FROM ledger.segments c WHERE c.to_version = s.covered_to) AS from_at, s.from_at AS to_at
FROM (
    SELECT from_version, from_at,
           max(to_version) OVER (ORDER BY from_version, from_at
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered_to
    FROM ledger.segments
) s
WHERE s.from_version > s.covered_to;


-- WHO -------------------------------------------------------------------------------------------------------

-- The author of each generation, and of the removal (generation NULL).
--
-- Whoever made a generation has the lowest version of it: later answers carry it too (a label, a status), and those
-- above the least version that any fact knows are no candidates. A no-op repeats the version, later. Proven is a
-- creation, a removal that the API server confirmed to nobody else (of several who take the last finalizer at once, it
-- answers each as if it were the one), and a request whose last attempt replaced the version before it (nothing known
-- lies between) while no other request is known to have tried the same from there, or to have been answered with the
-- same at the same time: an API server that cannot reach our webhook does not ask it. A claim is believed only if
-- nobody else is known to have tried the same from there; better than likely, because a no-op looks like the author
-- when the author's own audit event was dropped.
CREATE VIEW ledger.authors AS
SELECT DISTINCT ON (tenant_uid, generation)
       tenant_uid, generation, actor, impersonated_by, operation, how, source, asked_at, answered_at
FROM (
    SELECT a.tenant_uid, a.generation, a.actor, a.impersonated_by, a.operation, a.source, a.asked_at, a.answered_at,
           a.request_key,
           CASE
               WHEN a.source = 'admission' THEN 'claimed'
               WHEN a.generation IS NULL
                    AND EXISTS (SELECT FROM ledger.attributions b
                                WHERE b.tenant_uid = a.tenant_uid AND coalesce(b.generation, 0) = 0
                                  AND b.how = 'proven' AND b.actor <> a.actor)
                   THEN 'likely'
               WHEN a.how = 'proven' THEN 'proven'
               WHEN a.base_version IS NOT NULL
                    AND NOT EXISTS (SELECT FROM ledger.orgs o
                                    WHERE o.tenant_uid = a.tenant_uid AND o.resource_version > a.base_version
                                      AND o.resource_version < coalesce(lowest.version, 'Infinity'))
                    AND NOT EXISTS (SELECT FROM ledger.attributions b
                                    WHERE b.tenant_uid = a.tenant_uid AND b.resource_version > a.base_version
                                      AND b.resource_version < lowest.version)
                    AND NOT EXISTS (SELECT FROM ledger.attributions b
                                    WHERE b.tenant_uid = a.tenant_uid
                                      AND coalesce(b.generation, 0) = coalesce(a.generation, 0)
                                      AND (b.source, b.request_key) <> (a.source, a.request_key)
                                      AND (b.base_version = a.base_version
                                               AND NOT (b.source = 'admission' AND b.request_key = ANY (a.reviews))
                                           -- or our webhook did not see from where, and it may be the one
                                           OR b.base_version IS NULL AND b.source = 'audit' AND b.actor <> a.actor
                                               AND b.resource_version = a.resource_version
                                               AND b.asked_at <= a.answered_at AND b.answered_at >= a.asked_at))
                   THEN 'proven'
               ELSE 'likely'
           END AS how
    FROM ledger.attributions a
    CROSS JOIN LATERAL (
        SELECT min(known.version) AS version
        FROM (
            SELECT min(o.resource_version) AS version FROM ledger.orgs o
            WHERE o.tenant_uid = a.tenant_uid AND o.generation = a.generation
            UNION ALL
            SELECT min(b.resource_version) FROM ledger.attributions b
            WHERE b.tenant_uid = a.tenant_uid AND a.generation IS NOT NULL
              AND coalesce(b.generation, 0) = coalesce(a.generation, 0) AND b.resource_version > 0
        ) known
    ) lowest
    WHERE (a.generation IS NULL OR lowest.version IS NULL OR a.resource_version <= lowest.version)
      -- the attempt of an answer without a version came before the generation was there
      AND (a.base_version IS NULL OR lowest.version IS NULL OR a.base_version < lowest.version)
      AND (a.source <> 'admission'
           OR NOT EXISTS (SELECT FROM ledger.attributions b
                          WHERE b.tenant_uid = a.tenant_uid AND coalesce(b.generation, 0) = coalesce(a.generation, 0)
                            AND b.base_version = a.base_version AND b.actor <> a.actor))
      -- who asked for a deletion made only the generation that says so
      AND (a.generation IS NULL OR a.operation NOT IN ('delete', 'deletecollection')
           OR NOT EXISTS (SELECT FROM ledger.observations o
                          WHERE o.tenant_uid = a.tenant_uid AND o.generation = a.generation
                            AND o.deletion_requested_at IS NULL))
) candidates
ORDER BY tenant_uid, generation, array_position(ARRAY['proven', 'claimed', 'likely'], how), answered_at, request_key;

-- Who changed what, when, per tenant. Of a deletion that a finalizer held up, both the request and the removal.
-- Whoever made a generation did what tells it from the one before. Where that one is not known (missed, or older than
-- our history), the difference may be the work of several, and nobody is named for it.
CREATE VIEW ledger.timeline AS
SELECT c.tenant_uid, c.tenant_name, c.generation, c.occurred_at, c.time_source, c.not_before, c.change, c.skill_id,
       a.actor, a.impersonated_by, a.how
FROM (
    SELECT tenant_uid, tenant_name, 0 AS step, NULL::bigint AS generation, created_at AS occurred_at,
           'creation' AS time_source, NULL::timestamptz AS not_before, 'created' AS change, NULL AS skill_id
    FROM public.tenant_billing_lifecycle
    UNION ALL
    SELECT tenant_uid, tenant_name, 1, generation, occurred_at, time_source, not_before, event_kind, skill_id
    FROM ledger.skill_events
    UNION ALL
    SELECT tenant_uid, tenant_name, 1, generation, occurred_at, time_source, not_before, event_kind, NULL
    FROM ledger.suspension_events
    UNION ALL
    SELECT t.tenant_uid, t.tenant_name, 2, requested.generation, greatest(requested.at, t.created_at), 'deletion',
           NULL, 'deletion requested', NULL
    FROM ledger.tenants t
    CROSS JOIN LATERAL (
        SELECT o.generation, o.deletion_requested_at AS at FROM ledger.observations o
        WHERE o.tenant_uid = t.tenant_uid AND o.deletion_requested_at IS NOT NULL
        ORDER BY o.generation
        LIMIT 1
    ) requested
    UNION ALL
    SELECT t.tenant_uid, t.tenant_name, 3, NULL, greatest(removed.at, t.created_at), removed.source,
           ledger.no_later(removed.not_before, greatest(removed.at, t.created_at)), 'removed', NULL
    FROM ledger.tenants t
    CROSS JOIN LATERAL (
        SELECT r.at, replace(r.source, 'census', 'late') AS source, r.not_before FROM ledger.removals r
        WHERE r.tenant_uid = t.tenant_uid
          -- that of a list only where it is the end: whether one after the end was kept depends on what came first
          AND (r.source <> 'census'
               OR (SELECT e.deleted_source FROM ledger.ends e WHERE e.tenant_uid = t.tenant_uid) = 'census')
        ORDER BY r.at, array_position(ARRAY['audit', 'watch', 'late', 'census'], r.source)
        LIMIT 1
    ) removed
    UNION ALL
    -- nothing told of its removal but the next tenant of that name
    SELECT l.tenant_uid, l.tenant_name, 3, NULL, l.deleted_at, l.deleted_source, l.deleted_not_before, 'removed', NULL
    FROM public.tenant_billing_lifecycle l
    WHERE l.deleted_source = 'inferred'
      AND NOT EXISTS (SELECT FROM ledger.removals r WHERE r.tenant_uid = l.tenant_uid AND r.source <> 'census')
) c
LEFT JOIN LATERAL (  -- of this row's tenant alone, rather than everybody's
    SELECT * FROM ledger.authors a
    WHERE a.tenant_uid = c.tenant_uid
      AND coalesce(a.generation, 0) = CASE c.change WHEN 'created' THEN 1 ELSE coalesce(c.generation, 0) END
      AND (coalesce(c.generation, 1) = 1
           OR c.change = 'deletion requested' AND a.operation IN ('delete', 'deletecollection')
           OR EXISTS (SELECT FROM ledger.observations o
                      WHERE o.tenant_uid = c.tenant_uid AND o.generation = c.generation - 1
                        AND (o.unreadable IS NULL OR c.change = 'deletion requested')))
    OFFSET 0
) a ON true
ORDER BY c.tenant_uid, c.step, c.generation, c.skill_id;
