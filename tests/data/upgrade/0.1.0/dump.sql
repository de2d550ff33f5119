SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA ledger;
CREATE FUNCTION ledger.freeze_invoice() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    set_once CONSTANT text[] := ARRAY['pdf', 'pdf_sha256', 'sent_at', 'paid_at', 'paid_method', 'paid_note',
                                      'stripe_payment_intent_id', 'cancelled_at'];
    old_row CONSTANT jsonb := to_jsonb(OLD);
    frozen CONSTANT text := (
        SELECT string_agg(after.key, ', ' ORDER BY after.key)
        FROM jsonb_each(to_jsonb(NEW)) AS after
        WHERE after.value::text IS DISTINCT FROM (old_row -> after.key)::text
          AND NOT (after.key = ANY (set_once) AND old_row -> after.key = 'null')
          AND NOT (after.key = 'status' AND OLD.status = 'issued')
    );
BEGIN
    IF frozen IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('invoice %s is issued, these are frozen: %s', OLD.invoice_number, frozen),
            HINT = 'Correct an issued invoice with a credit note and a new invoice.';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION ledger.guard_counter() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    next CONSTANT integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE OLD.last_number + 1 END;
BEGIN
    IF NEW.last_number <> next OR TG_OP = 'UPDATE' AND NEW.year <> OLD.year THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('the next invoice number is %s, not %s of %s', next, NEW.last_number, NEW.year),
            HINT = 'Invoice numbers have no gaps: each year counts from 1, one by one.';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION ledger.guard_lifecycle() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF (NEW.tenant_uid, NEW.tenant_name, NEW.created_at) IS DISTINCT FROM (OLD.tenant_uid, OLD.tenant_name, OLD.created_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('tenant %s is %s, created at %s: that never changes', OLD.tenant_uid, OLD.tenant_name, OLD.created_at),
            HINT = 'Another tenant has another uid: INSERT its own row.';
    END IF;
    IF OLD.deleted_at IS NOT NULL AND (NEW.deleted_at IS NULL OR NEW.deleted_at > OLD.deleted_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('tenant %s ended at %s: that can only move earlier', OLD.tenant_uid, OLD.deleted_at),
            HINT = 'A tenant that lives again under this name has another uid: INSERT its own row.';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION ledger.key_source(key bigint) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE (key & (3)::bigint) WHEN 0 THEN 'audit'::text WHEN 1 THEN 'watch'::text ELSE 'late'::text END;
CREATE FUNCTION ledger.key_time(key bigint) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ('1970-01-01 00:00:00+00'::timestamp with time zone + (((key >> 2))::double precision * '00:00:00.000001'::interval));
CREATE FUNCTION ledger.no_later(bound timestamp with time zone, most timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (bound > most) THEN most ELSE bound END;
CREATE FUNCTION ledger.record_price() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO ledger.pricing_history (table_name, operation, row_before, row_after, changed_by)
    VALUES (TG_TABLE_NAME, TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END,
            session_user);
    RETURN NULL;
END
$$;
CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = format('%s on %I.%I is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = coalesce(TG_ARGV[0], 'The table is append-only: INSERT a row that says what is true now.'),
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
END
$$;
CREATE FUNCTION ledger.stamp_price() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
        IF NEW.updated_by = OLD.updated_by THEN
            NEW.updated_by := session_user;
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION ledger.stamp_update() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION ledger.time_key(at timestamp with time zone, source text) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((((EXTRACT(epoch FROM at) * (1000000)::numeric))::bigint * 4) + CASE source WHEN 'audit'::text THEN 0 WHEN 'watch'::text THEN 1 ELSE 2 END);
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE ledger.anomalies (
    id bigint NOT NULL,
    kind text NOT NULL,
    tenant_uid uuid,
    detail jsonb NOT NULL,
    from_at timestamp with time zone,
    to_at timestamp with time zone,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ledger.anomalies ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.anomalies_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ledger.attributions (
    tenant_uid uuid NOT NULL,
    resource_version numeric(39,0) DEFAULT 0 NOT NULL,
    source text NOT NULL,
    request_key text NOT NULL,
    generation bigint,
    actor text NOT NULL,
    actor_groups text[] NOT NULL,
    impersonated_by text,
    operation text NOT NULL,
    how text NOT NULL,
    base_version numeric(39,0),
    reviews text[] NOT NULL,
    audit_id text,
    user_agent text,
    source_ips text[] NOT NULL,
    asked_at timestamp with time zone,
    answered_at timestamp with time zone,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT attributions_how_check CHECK ((how = ANY (ARRAY['proven'::text, 'claimed'::text, 'likely'::text]))),
    CONSTRAINT attributions_source_check CHECK ((source = ANY (ARRAY['admission'::text, 'audit'::text])))
);
CREATE TABLE ledger.observations (
    tenant_uid uuid NOT NULL,
    generation bigint NOT NULL,
    resource_version numeric(39,0) NOT NULL,
    tenant_name text NOT NULL,
    packages text[],
    suspended boolean NOT NULL,
    suspended_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    deletion_requested_at timestamp with time zone,
    unreadable text,
    source text NOT NULL,
    content_sha256 bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT observations_check CHECK (((packages IS NULL) = (unreadable IS NOT NULL))),
    CONSTRAINT observations_generation_check CHECK ((generation > 0)),
    CONSTRAINT observations_source_check CHECK ((source = ANY (ARRAY['watch'::text, 'list'::text, 'audit'::text, 'backfill'::text])))
);
CREATE TABLE ledger.orgs (
    tenant_uid uuid NOT NULL,
    resource_version numeric(39,0) NOT NULL,
    generation bigint NOT NULL,
    zitadel_org_id text,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE VIEW ledger.authors AS
 SELECT DISTINCT ON (candidates.tenant_uid, candidates.generation) candidates.tenant_uid,
    candidates.generation,
    candidates.actor,
    candidates.impersonated_by,
    candidates.operation,
    candidates.how,
    candidates.source,
    candidates.asked_at,
    candidates.answered_at
   FROM ( SELECT a.tenant_uid,
            a.generation,
            a.actor,
            a.impersonated_by,
            a.operation,
            a.source,
            a.asked_at,
            a.answered_at,
            a.request_key,
                CASE
                    WHEN (a.source = 'admission'::text) THEN 'claimed'::text
                    WHEN ((a.generation IS NULL) AND (EXISTS ( SELECT
                       FROM ledger.attributions b
                      WHERE ((b.tenant_uid = a.tenant_uid) AND (COALESCE(b.generation, (0)::bigint) = 0) AND (b.how = 'proven'::text) AND (b.actor <> a.actor))))) THEN 'likely'::text
                    WHEN (a.how = 'proven'::text) THEN 'proven'::text
                    WHEN ((a.base_version IS NOT NULL) AND (NOT (EXISTS ( SELECT
                       FROM ledger.orgs o
                      WHERE ((o.tenant_uid = a.tenant_uid) AND (o.resource_version > a.base_version) AND (o.resource_version < COALESCE(lowest.version, 'Infinity'::numeric)))))) AND (NOT (EXISTS ( SELECT
                       FROM ledger.attributions b
                      WHERE ((b.tenant_uid = a.tenant_uid) AND (b.resource_version > a.base_version) AND (b.resource_version < lowest.version))))) AND (NOT (EXISTS ( SELECT
                       FROM ledger.attributions b
                      WHERE ((b.tenant_uid = a.tenant_uid) AND (COALESCE(b.generation, (0)::bigint) = COALESCE(a.generation, (0)::bigint)) AND ((b.source <> a.source) OR (b.request_key <> a.request_key)) AND (((b.base_version = a.base_version) AND (NOT ((b.source = 'admission'::text) AND (b.request_key = ANY (a.reviews))))) OR ((b.base_version IS NULL) AND (b.source = 'audit'::text) AND (b.actor <> a.actor) AND (b.resource_version = a.resource_version) AND (b.asked_at <= a.answered_at) AND (b.answered_at >= a.asked_at)))))))) THEN 'proven'::text
                    ELSE 'likely'::text
                END AS how
           FROM (ledger.attributions a
             CROSS JOIN LATERAL ( SELECT min(known.version) AS version
                   FROM ( SELECT min(o.resource_version) AS version
                           FROM ledger.orgs o
                          WHERE ((o.tenant_uid = a.tenant_uid) AND (o.generation = a.generation))
                        UNION ALL
                         SELECT min(b.resource_version) AS min
                           FROM ledger.attributions b
                          WHERE ((b.tenant_uid = a.tenant_uid) AND (a.generation IS NOT NULL) AND (COALESCE(b.generation, (0)::bigint) = COALESCE(a.generation, (0)::bigint)) AND (b.resource_version > (0)::numeric))) known) lowest)
          WHERE (((a.generation IS NULL) OR (lowest.version IS NULL) OR (a.resource_version <= lowest.version)) AND ((a.base_version IS NULL) OR (lowest.version IS NULL) OR (a.base_version < lowest.version)) AND ((a.source <> 'admission'::text) OR (NOT (EXISTS ( SELECT
                   FROM ledger.attributions b
                  WHERE ((b.tenant_uid = a.tenant_uid) AND (COALESCE(b.generation, (0)::bigint) = COALESCE(a.generation, (0)::bigint)) AND (b.base_version = a.base_version) AND (b.actor <> a.actor)))))) AND ((a.generation IS NULL) OR (a.operation <> ALL (ARRAY['delete'::text, 'deletecollection'::text])) OR (NOT (EXISTS ( SELECT
                   FROM ledger.observations o
                  WHERE ((o.tenant_uid = a.tenant_uid) AND (o.generation = a.generation) AND (o.deletion_requested_at IS NULL)))))))) candidates
  ORDER BY candidates.tenant_uid, candidates.generation, (array_position(ARRAY['proven'::text, 'claimed'::text, 'likely'::text], candidates.how)), candidates.answered_at, candidates.request_key;
CREATE TABLE ledger.backfills (
    id bigint NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    tenants_examined bigint DEFAULT 0 NOT NULL,
    lifecycle_inserted bigint DEFAULT 0 NOT NULL,
    events_inserted bigint DEFAULT 0 NOT NULL,
    suspension_events_inserted bigint DEFAULT 0 NOT NULL,
    problems jsonb DEFAULT '[]'::jsonb NOT NULL
);
ALTER TABLE ledger.backfills ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.backfills_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ledger.censuses (
    version numeric(39,0) NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    answered_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone,
    uids uuid[] NOT NULL,
    gone uuid[] NOT NULL,
    held boolean DEFAULT false NOT NULL,
    accepted_at timestamp with time zone,
    accepted_by text,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT censuses_check CHECK ((answered_at >= sent_at)),
    CONSTRAINT censuses_check1 CHECK (((accepted_at IS NULL) = (accepted_by IS NULL)))
);
CREATE TABLE ledger.removals (
    tenant_uid uuid NOT NULL,
    source text NOT NULL,
    at timestamp with time zone NOT NULL,
    last_generation bigint,
    not_before timestamp with time zone,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT removals_at_check CHECK (isfinite(at)),
    CONSTRAINT removals_not_before_check CHECK (isfinite(not_before)),
    CONSTRAINT removals_source_check CHECK ((source = ANY (ARRAY['audit'::text, 'watch'::text, 'late'::text, 'census'::text])))
);
CREATE TABLE ledger.sightings (
    tenant_uid uuid NOT NULL,
    generation bigint NOT NULL,
    source text NOT NULL,
    at timestamp with time zone NOT NULL,
    not_before timestamp with time zone,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT sightings_at_check CHECK (isfinite(at)),
    CONSTRAINT sightings_generation_check CHECK ((generation > 0)),
    CONSTRAINT sightings_not_before_check CHECK (isfinite(not_before)),
    CONSTRAINT sightings_source_check CHECK ((source = ANY (ARRAY['audit'::text, 'watch'::text, 'late'::text, 'suspended_at'::text])))
);
CREATE TABLE ledger.tenants (
    tenant_uid uuid NOT NULL,
    tenant_name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE VIEW ledger.ends AS
 SELECT t.tenant_uid,
    GREATEST(e.at, t.created_at) AS deleted_at,
    ledger.no_later(
        CASE
            WHEN (e.source = 'deletion'::text) THEN ( SELECT max(s.not_before) AS max
               FROM ledger.sightings s
              WHERE ((s.tenant_uid = t.tenant_uid) AND (s.not_before IS NOT NULL) AND (s.generation <= ( SELECT min(d.generation) AS min
                       FROM ( SELECT o.generation
                               FROM ledger.observations o
                              WHERE ((o.tenant_uid = t.tenant_uid) AND (o.deletion_requested_at IS NOT NULL))
                             OFFSET 0) d))))
            ELSE GREATEST(( SELECT max(r.not_before) AS max
               FROM ledger.removals r
              WHERE ((r.tenant_uid = t.tenant_uid) AND ((r.source <> 'census'::text) OR (r.at = e.at)))), ( SELECT max(s.not_before) AS max
               FROM ledger.sightings s
              WHERE ((s.tenant_uid = t.tenant_uid) AND (s.not_before IS NOT NULL))))
        END, GREATEST(e.at, t.created_at)) AS deleted_not_before,
    e.source AS deleted_source
   FROM (ledger.tenants t
     CROSS JOIN LATERAL ( SELECT c.at,
            c.source
           FROM ( SELECT min(o.deletion_requested_at) AS at,
                    'deletion'::text AS source,
                    0 AS rank
                   FROM ledger.observations o
                  WHERE ((o.tenant_uid = t.tenant_uid) AND (o.deletion_requested_at IS NOT NULL))
                UNION ALL
                 SELECT r.at,
                    r.source,
                        CASE r.source
                            WHEN 'audit'::text THEN 1
                            WHEN 'watch'::text THEN 2
                            WHEN 'late'::text THEN 3
                            ELSE 4
                        END AS "case"
                   FROM ledger.removals r
                  WHERE (r.tenant_uid = t.tenant_uid)
                UNION ALL
                 SELECT next.created_at,
                    'inferred'::text,
                    5
                   FROM ( SELECT n.created_at
                           FROM ledger.tenants n
                          WHERE ((n.tenant_name = t.tenant_name) AND (n.created_at >= t.created_at) AND (n.tenant_uid <> t.tenant_uid) AND ((n.created_at > t.created_at) OR (ROW(( SELECT min(o.resource_version) AS min
                                   FROM ledger.orgs o
                                  WHERE (o.tenant_uid = n.tenant_uid)), n.tenant_uid) > ROW(( SELECT min(o.resource_version) AS min
                                   FROM ledger.orgs o
                                  WHERE (o.tenant_uid = t.tenant_uid)), t.tenant_uid))))
                          ORDER BY n.created_at
                         LIMIT 1) next) c
          WHERE (c.at IS NOT NULL)
          ORDER BY c.at, c.rank
         LIMIT 1) e);
CREATE TABLE ledger.segments (
    from_version numeric(39,0) NOT NULL,
    from_at timestamp with time zone NOT NULL,
    to_version numeric(39,0) NOT NULL,
    to_at timestamp with time zone NOT NULL,
    CONSTRAINT segments_check CHECK ((to_version >= from_version))
);
CREATE VIEW ledger.gaps AS
 SELECT s.covered_to AS from_version,
    s.from_version AS to_version,
    ( SELECT min(c.to_at) AS min
           FROM ledger.segments c
          WHERE (c.to_version = s.covered_to)) AS from_at,
    s.from_at AS to_at
   FROM ( SELECT segments.from_version,
            segments.from_at,
            max(segments.to_version) OVER (ORDER BY segments.from_version, segments.from_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered_to
           FROM ledger.segments) s
  WHERE (s.from_version > s.covered_to);
CREATE VIEW ledger.generation_orgs AS
 SELECT DISTINCT ON (orgs.tenant_uid, orgs.generation) orgs.tenant_uid,
    orgs.generation,
    orgs.zitadel_org_id
   FROM ledger.orgs
  ORDER BY orgs.tenant_uid, orgs.generation, orgs.resource_version;
CREATE TABLE ledger.history (
    id smallint DEFAULT 1 NOT NULL,
    cluster_uid text,
    started_at timestamp with time zone,
    adopted_at timestamp with time zone,
    adopted_by text,
    CONSTRAINT history_id_check CHECK ((id = 1))
);
CREATE VIEW ledger.generations AS
 SELECT g.tenant_uid,
    g.generation,
    g.baseline,
    g.inherited,
    b.occurred_at,
    b.time_source,
        CASE
            WHEN (b.time_source <> 'assumed'::text) THEN ledger.no_later(g.not_before, b.occurred_at)
            ELSE NULL::timestamp with time zone
        END AS not_before,
        CASE
            WHEN (g.baseline AND (g.generation > 1)) THEN ( SELECT max(s.at) AS max
               FROM ledger.sightings s
              WHERE ((s.tenant_uid = g.tenant_uid) AND (s.generation = g.generation) AND (s.source = 'suspended_at'::text) AND ((s.at >= g.created_at) AND (s.at <= g.seen_at))))
            ELSE NULL::timestamp with time zone
        END AS suspended_at
   FROM (( SELECT k.tenant_uid,
            k.generation,
            k.readable,
            k.recorded_at,
            k.at_key,
            k.not_before,
            k.lowest,
            t.created_at,
            e.deleted_at,
            e.deleted_source,
            (t.created_at < COALESCE(h.started_at, 'infinity'::timestamp with time zone)) AS inherited,
            (k.generation = k.lowest) AS baseline,
            GREATEST(LEAST(COALESCE(ledger.key_time(k.at_key), k.recorded_at), e.deleted_at), t.created_at) AS seen_at
           FROM (((( SELECT s.tenant_uid,
                    s.generation,
                    s.readable,
                    s.recorded_at,
                    min(s.at_key) OVER (PARTITION BY s.tenant_uid ORDER BY s.generation DESC) AS at_key,
                    max(s.not_before) OVER (PARTITION BY s.tenant_uid ORDER BY s.generation) AS not_before,
                    min(s.generation) FILTER (WHERE s.readable) OVER (PARTITION BY s.tenant_uid) AS lowest
                   FROM ( SELECT u.tenant_uid,
                            u.generation,
                            min(u.at_key) AS at_key,
                            max(u.not_before) AS not_before,
                            min(u.recorded_at) AS recorded_at,
                            bool_or(u.readable) AS readable
                           FROM ( SELECT sightings.tenant_uid,
                                    sightings.generation,
                                    ledger.time_key(sightings.at, sightings.source) AS at_key,
                                    sightings.not_before,
                                    NULL::timestamp with time zone AS recorded_at,
                                    NULL::boolean AS readable
                                   FROM ledger.sightings
                                  WHERE (sightings.source <> 'suspended_at'::text)
                                UNION ALL
                                 SELECT observations.tenant_uid,
                                    observations.generation,
                                    NULL::bigint,
                                    NULL::timestamp with time zone,
                                    observations.recorded_at,
                                    (observations.unreadable IS NULL)
                                   FROM ledger.observations) u
                          GROUP BY u.tenant_uid, u.generation) s) k
             JOIN ledger.tenants t USING (tenant_uid))
             LEFT JOIN ledger.ends e USING (tenant_uid))
             CROSS JOIN ledger.history h)
          WHERE (k.readable IS NOT NULL)) g
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN ((g.generation = 1) OR (g.baseline AND g.inherited)) THEN g.created_at
                    ELSE g.seen_at
                END AS occurred_at,
                CASE
                    WHEN (g.generation = 1) THEN 'creation'::text
                    WHEN (g.baseline AND g.inherited) THEN 'assumed'::text
                    WHEN (g.deleted_at < ledger.key_time(g.at_key)) THEN replace(g.deleted_source, 'census'::text, 'late'::text)
                    ELSE COALESCE(ledger.key_source(g.at_key), 'late'::text)
                END AS time_source) b);
CREATE TABLE ledger.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT migrations_sha256_check CHECK ((octet_length(sha256) = 32))
);
CREATE VIEW ledger.missing_generations AS
 SELECT m.tenant_uid,
    t.tenant_name,
    m.generation_from,
    m.generation_to,
    ( SELECT max(s.not_before) AS max
           FROM ledger.sightings s
          WHERE ((s.tenant_uid = m.tenant_uid) AND (s.generation <= m.generation_from))) AS not_before,
    COALESCE(( SELECT min(s.at) AS min
           FROM ledger.sightings s
          WHERE ((s.tenant_uid = m.tenant_uid) AND (s.generation >= m.generation_to) AND (s.source <> 'suspended_at'::text))), ( SELECT min(r.at) AS min
           FROM ledger.removals r
          WHERE (r.tenant_uid = m.tenant_uid))) AS at
   FROM (( SELECT o.tenant_uid,
            (o.generation + 1) AS generation_from,
            (COALESCE(lead(o.generation) OVER (PARTITION BY o.tenant_uid ORDER BY o.generation), ( SELECT (max(r.last_generation) + 1)
                   FROM ledger.removals r
                  WHERE (r.tenant_uid = o.tenant_uid))) - 1) AS generation_to
           FROM ledger.observations o
        UNION ALL
         SELECT o.tenant_uid,
            1,
            (min(o.generation) - 1)
           FROM ((ledger.observations o
             JOIN ledger.tenants t_1 USING (tenant_uid))
             CROSS JOIN ledger.history h)
          WHERE (t_1.created_at >= h.started_at)
          GROUP BY o.tenant_uid) m
     JOIN ledger.tenants t USING (tenant_uid))
  WHERE (m.generation_to >= m.generation_from);
CREATE TABLE public.tenant_billing_lifecycle (
    tenant_uid uuid NOT NULL,
    tenant_name text NOT NULL,
    zitadel_org_id text,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    deleted_not_before timestamp with time zone,
    deleted_source text,
    source text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT tenant_billing_lifecycle_check CHECK ((deleted_at >= created_at)),
    CONSTRAINT tenant_billing_lifecycle_check1 CHECK ((deleted_not_before <= deleted_at)),
    CONSTRAINT tenant_billing_lifecycle_check2 CHECK (((deleted_at IS NULL) = (deleted_source IS NULL))),
    CONSTRAINT tenant_billing_lifecycle_check3 CHECK (((deleted_at IS NOT NULL) OR (deleted_not_before IS NULL))),
    CONSTRAINT tenant_billing_lifecycle_created_at_check CHECK (isfinite(created_at)),
    CONSTRAINT tenant_billing_lifecycle_deleted_at_check CHECK (isfinite(deleted_at)),
    CONSTRAINT tenant_billing_lifecycle_deleted_not_before_check CHECK (isfinite(deleted_not_before)),
    CONSTRAINT tenant_billing_lifecycle_deleted_source_check CHECK ((deleted_source = ANY (ARRAY['deletion'::text, 'watch'::text, 'late'::text, 'audit'::text, 'census'::text, 'inferred'::text]))),
    CONSTRAINT tenant_billing_lifecycle_source_check CHECK ((source = ANY (ARRAY['watch'::text, 'list'::text, 'audit'::text, 'backfill'::text])))
);
CREATE VIEW ledger.open_ends AS
 SELECT l.tenant_uid,
    l.tenant_name,
    ( SELECT max(o.generation) AS max
           FROM ledger.observations o
          WHERE (o.tenant_uid = l.tenant_uid)) AS last_known_generation,
    l.deleted_at AS at
   FROM public.tenant_billing_lifecycle l
  WHERE ((l.deleted_at IS NOT NULL) AND (NOT (EXISTS ( SELECT
           FROM ledger.removals r
          WHERE ((r.tenant_uid = l.tenant_uid) AND (r.last_generation IS NOT NULL))))) AND (NOT (EXISTS ( SELECT
           FROM ledger.observations o
          WHERE ((o.tenant_uid = l.tenant_uid) AND (o.deletion_requested_at IS NOT NULL))))))
UNION ALL
 SELECT r.tenant_uid,
    NULL::text AS tenant_name,
    NULL::bigint AS last_known_generation,
    min(r.at) AS at
   FROM ledger.removals r
  WHERE (NOT (EXISTS ( SELECT
           FROM ledger.tenants t
          WHERE (t.tenant_uid = r.tenant_uid))))
  GROUP BY r.tenant_uid;
CREATE TABLE ledger.pricing_history (
    id bigint NOT NULL,
    table_name text NOT NULL,
    operation text NOT NULL,
    row_before jsonb,
    row_after jsonb,
    changed_by text NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pricing_history_check CHECK (((row_before IS NULL) = (operation = 'INSERT'::text))),
    CONSTRAINT pricing_history_check1 CHECK (((row_after IS NULL) = (operation = 'DELETE'::text))),
    CONSTRAINT pricing_history_operation_check CHECK ((operation = ANY (ARRAY['INSERT'::text, 'UPDATE'::text, 'DELETE'::text]))),
    CONSTRAINT pricing_history_table_name_check CHECK ((table_name = ANY (ARRAY['platform_pricing'::text, 'skill_pricing'::text])))
);
ALTER TABLE ledger.pricing_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.pricing_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.tenant_skill_events (
    id bigint NOT NULL,
    tenant_uid uuid NOT NULL,
    tenant_name text NOT NULL,
    zitadel_org_id text,
    skill_id text NOT NULL,
    event_kind text NOT NULL,
    generation bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone,
    time_source text NOT NULL,
    source text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT tenant_skill_events_check CHECK ((not_before <= occurred_at)),
    CONSTRAINT tenant_skill_events_event_kind_check CHECK ((event_kind = ANY (ARRAY['enabled'::text, 'disabled'::text]))),
    CONSTRAINT tenant_skill_events_generation_check CHECK ((generation > 0)),
    CONSTRAINT tenant_skill_events_not_before_check CHECK (isfinite(not_before)),
    CONSTRAINT tenant_skill_events_occurred_at_check CHECK (isfinite(occurred_at)),
    CONSTRAINT tenant_skill_events_source_check CHECK ((source = ANY (ARRAY['watch'::text, 'list'::text, 'audit'::text, 'backfill'::text]))),
    CONSTRAINT tenant_skill_events_time_source_check CHECK ((time_source = ANY (ARRAY['audit'::text, 'watch'::text, 'late'::text, 'creation'::text, 'deletion'::text, 'suspended_at'::text, 'assumed'::text, 'inferred'::text])))
);
CREATE VIEW ledger.skill_events AS
 SELECT e.id,
    e.tenant_uid,
    e.tenant_name,
    e.zitadel_org_id,
    e.skill_id,
    e.event_kind,
    e.generation,
    e.occurred_at,
    e.not_before,
    e.time_source,
    e.source,
    e.recorded_at
   FROM ( SELECT e_1.id,
            e_1.tenant_uid,
            e_1.tenant_name,
            o.zitadel_org_id,
            e_1.skill_id,
            e_1.event_kind,
            e_1.generation,
            g.occurred_at,
            g.not_before,
            g.time_source,
            e_1.source,
            e_1.recorded_at,
            lag(e_1.event_kind) OVER (PARTITION BY e_1.tenant_uid, e_1.skill_id ORDER BY e_1.generation) AS before
           FROM ((public.tenant_skill_events e_1
             JOIN ledger.generations g USING (tenant_uid, generation))
             LEFT JOIN ledger.generation_orgs o USING (tenant_uid, generation))) e
  WHERE (e.event_kind IS DISTINCT FROM e.before);
CREATE TABLE public.tenant_suspension_events (
    id bigint NOT NULL,
    tenant_uid uuid NOT NULL,
    tenant_name text NOT NULL,
    zitadel_org_id text,
    event_kind text NOT NULL,
    generation bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone,
    time_source text NOT NULL,
    source text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT tenant_suspension_events_check CHECK ((not_before <= occurred_at)),
    CONSTRAINT tenant_suspension_events_event_kind_check CHECK ((event_kind = ANY (ARRAY['suspended'::text, 'resumed'::text]))),
    CONSTRAINT tenant_suspension_events_generation_check CHECK ((generation > 0)),
    CONSTRAINT tenant_suspension_events_not_before_check CHECK (isfinite(not_before)),
    CONSTRAINT tenant_suspension_events_occurred_at_check CHECK (isfinite(occurred_at)),
    CONSTRAINT tenant_suspension_events_source_check CHECK ((source = ANY (ARRAY['watch'::text, 'list'::text, 'audit'::text, 'backfill'::text]))),
    CONSTRAINT tenant_suspension_events_time_source_check CHECK ((time_source = ANY (ARRAY['audit'::text, 'watch'::text, 'late'::text, 'creation'::text, 'deletion'::text, 'suspended_at'::text, 'assumed'::text, 'inferred'::text])))
);
CREATE VIEW ledger.suspension_events AS
 SELECT e.id,
    e.tenant_uid,
    e.tenant_name,
    e.zitadel_org_id,
    e.event_kind,
    e.generation,
    e.occurred_at,
    e.not_before,
    e.time_source,
    e.source,
    e.recorded_at
   FROM ( SELECT e_1.id,
            e_1.tenant_uid,
            e_1.tenant_name,
            o.zitadel_org_id,
            e_1.event_kind,
            e_1.generation,
                CASE
                    WHEN (g.suspended_at IS NULL) THEN g.occurred_at
                    ELSE g.suspended_at
                END AS occurred_at,
                CASE
                    WHEN (g.suspended_at IS NULL) THEN g.not_before
                    ELSE NULL::timestamp with time zone
                END AS not_before,
                CASE
                    WHEN (g.suspended_at IS NULL) THEN g.time_source
                    ELSE 'suspended_at'::text
                END AS time_source,
            e_1.source,
            e_1.recorded_at,
            lag(e_1.event_kind) OVER (PARTITION BY e_1.tenant_uid ORDER BY e_1.generation) AS before
           FROM ((public.tenant_suspension_events e_1
             JOIN ledger.generations g USING (tenant_uid, generation))
             LEFT JOIN ledger.generation_orgs o USING (tenant_uid, generation))) e
  WHERE (e.event_kind IS DISTINCT FROM e.before);
CREATE VIEW ledger.skill_intervals AS
 WITH suspended AS (
         SELECT s_1.tenant_uid,
            range_agg(s_1.during) AS during
           FROM ( SELECT suspension_events.tenant_uid,
                    suspension_events.event_kind,
                    tstzrange(suspension_events.occurred_at, lead(suspension_events.occurred_at) OVER (PARTITION BY suspension_events.tenant_uid ORDER BY suspension_events.generation)) AS during
                   FROM ledger.suspension_events) s_1
          WHERE (s_1.event_kind = 'suspended'::text)
          GROUP BY s_1.tenant_uid
        ), enabled AS (
         SELECT e_1.tenant_uid,
            e_1.tenant_name,
            e_1.zitadel_org_id,
            e_1.skill_id,
            e_1.generation,
            e_1.during
           FROM ( SELECT skill_events.tenant_uid,
                    skill_events.tenant_name,
                    skill_events.zitadel_org_id,
                    skill_events.skill_id,
                    skill_events.generation,
                    skill_events.event_kind,
                    tstzrange(skill_events.occurred_at, lead(skill_events.occurred_at) OVER (PARTITION BY skill_events.tenant_uid, skill_events.skill_id ORDER BY skill_events.generation)) AS during
                   FROM ledger.skill_events) e_1
          WHERE (e_1.event_kind = 'enabled'::text)
        )
 SELECT e.tenant_uid,
    e.tenant_name,
    e.zitadel_org_id,
    e.skill_id,
    e.generation,
    lower(piece.piece) AS started_at,
    upper(piece.piece) AS ended_at
   FROM (((enabled e
     JOIN public.tenant_billing_lifecycle l USING (tenant_uid))
     LEFT JOIN suspended s USING (tenant_uid))
     CROSS JOIN LATERAL unnest(((tstzmultirange(e.during) * tstzmultirange(tstzrange(l.created_at, l.deleted_at))) - COALESCE(s.during, tstzmultirange()))) piece(piece));
CREATE VIEW ledger.timeline AS
 SELECT c.tenant_uid,
    c.tenant_name,
    c.generation,
    c.occurred_at,
    c.time_source,
    c.not_before,
    c.change,
    c.skill_id,
    a.actor,
    a.impersonated_by,
    a.how
   FROM (( SELECT tenant_billing_lifecycle.tenant_uid,
            tenant_billing_lifecycle.tenant_name,
            0 AS step,
            NULL::bigint AS generation,
            tenant_billing_lifecycle.created_at AS occurred_at,
            'creation'::text AS time_source,
            NULL::timestamp with time zone AS not_before,
            'created'::text AS change,
            NULL::text AS skill_id
           FROM public.tenant_billing_lifecycle
        UNION ALL
         SELECT skill_events.tenant_uid,
            skill_events.tenant_name,
            1,
            skill_events.generation,
            skill_events.occurred_at,
            skill_events.time_source,
            skill_events.not_before,
            skill_events.event_kind,
            skill_events.skill_id
           FROM ledger.skill_events
        UNION ALL
         SELECT suspension_events.tenant_uid,
            suspension_events.tenant_name,
            1,
            suspension_events.generation,
            suspension_events.occurred_at,
            suspension_events.time_source,
            suspension_events.not_before,
            suspension_events.event_kind,
            NULL::text
           FROM ledger.suspension_events
        UNION ALL
         SELECT t.tenant_uid,
            t.tenant_name,
            2,
            requested.generation,
            GREATEST(requested.at, t.created_at) AS "greatest",
            'deletion'::text,
            NULL::timestamp with time zone,
            'deletion requested'::text,
            NULL::text
           FROM (ledger.tenants t
             CROSS JOIN LATERAL ( SELECT o.generation,
                    o.deletion_requested_at AS at
                   FROM ledger.observations o
                  WHERE ((o.tenant_uid = t.tenant_uid) AND (o.deletion_requested_at IS NOT NULL))
                  ORDER BY o.generation
                 LIMIT 1) requested)
        UNION ALL
         SELECT t.tenant_uid,
            t.tenant_name,
            3,
            NULL::bigint,
            GREATEST(removed.at, t.created_at) AS "greatest",
            removed.source,
            ledger.no_later(removed.not_before, GREATEST(removed.at, t.created_at)) AS no_later,
            'removed'::text,
            NULL::text
           FROM (ledger.tenants t
             CROSS JOIN LATERAL ( SELECT r.at,
                    replace(r.source, 'census'::text, 'late'::text) AS source,
                    r.not_before
                   FROM ledger.removals r
                  WHERE ((r.tenant_uid = t.tenant_uid) AND ((r.source <> 'census'::text) OR (( SELECT e.deleted_source
                           FROM ledger.ends e
                          WHERE (e.tenant_uid = t.tenant_uid)) = 'census'::text)))
                  ORDER BY r.at, (array_position(ARRAY['audit'::text, 'watch'::text, 'late'::text, 'census'::text], r.source))
                 LIMIT 1) removed)
        UNION ALL
         SELECT l.tenant_uid,
            l.tenant_name,
            3,
            NULL::bigint,
            l.deleted_at,
            l.deleted_source,
            l.deleted_not_before,
            'removed'::text,
            NULL::text
           FROM public.tenant_billing_lifecycle l
          WHERE ((l.deleted_source = 'inferred'::text) AND (NOT (EXISTS ( SELECT
                   FROM ledger.removals r
                  WHERE ((r.tenant_uid = l.tenant_uid) AND (r.source <> 'census'::text))))))) c
     LEFT JOIN LATERAL ( SELECT a_1.tenant_uid,
            a_1.generation,
            a_1.actor,
            a_1.impersonated_by,
            a_1.operation,
            a_1.how,
            a_1.source,
            a_1.asked_at,
            a_1.answered_at
           FROM ledger.authors a_1
          WHERE ((a_1.tenant_uid = c.tenant_uid) AND (COALESCE(a_1.generation, (0)::bigint) =
                CASE c.change
                    WHEN 'created'::text THEN (1)::bigint
                    ELSE COALESCE(c.generation, (0)::bigint)
                END) AND ((COALESCE(c.generation, (1)::bigint) = 1) OR ((c.change = 'deletion requested'::text) AND (a_1.operation = ANY (ARRAY['delete'::text, 'deletecollection'::text]))) OR (EXISTS ( SELECT
                   FROM ledger.observations o
                  WHERE ((o.tenant_uid = c.tenant_uid) AND (o.generation = (c.generation - 1)) AND ((o.unreadable IS NULL) OR (c.change = 'deletion requested'::text)))))))
         OFFSET 0) a ON (true))
  ORDER BY c.tenant_uid, c.step, c.generation, c.skill_id;
CREATE TABLE public.invoice_lines (
    id bigint NOT NULL,
    invoice_id bigint NOT NULL,
    "position" integer NOT NULL,
    line_kind text NOT NULL,
    description text NOT NULL,
    tenant_uid uuid,
    tenant_name text,
    skill_id text,
    service_start date NOT NULL,
    service_end date NOT NULL,
    quantity numeric(12,4) NOT NULL,
    unit text NOT NULL,
    unit_price_chf numeric(10,5) NOT NULL,
    proration_days integer DEFAULT 1 NOT NULL,
    proration_of integer DEFAULT 1 NOT NULL,
    amount_chf numeric(10,2) NOT NULL,
    vat_rate numeric(5,2) NOT NULL,
    corrects_line_id bigint,
    basis jsonb,
    CONSTRAINT invoice_lines_check CHECK ((service_start < service_end)),
    CONSTRAINT invoice_lines_check1 CHECK (((proration_days >= 0) AND (proration_days <= proration_of))),
    CONSTRAINT invoice_lines_check2 CHECK ((amount_chf = round((((quantity * unit_price_chf) * (proration_days)::numeric) / (proration_of)::numeric), 2))),
    CONSTRAINT invoice_lines_position_check CHECK (("position" > 0)),
    CONSTRAINT invoice_lines_proration_of_check CHECK (((proration_of >= 1) AND (proration_of <= 366))),
    CONSTRAINT invoice_lines_quantity_check CHECK (((quantity >= '-99999999.9999'::numeric) AND (quantity <= 99999999.9999))),
    CONSTRAINT invoice_lines_service_end_check CHECK (isfinite(service_end)),
    CONSTRAINT invoice_lines_service_start_check CHECK (isfinite(service_start)),
    CONSTRAINT invoice_lines_unit_price_chf_check CHECK (((unit_price_chf >= (0)::numeric) AND (unit_price_chf <= 99999.99999))),
    CONSTRAINT invoice_lines_vat_rate_check CHECK (((vat_rate >= (0)::numeric) AND (vat_rate <= (100)::numeric)))
);
ALTER TABLE public.invoice_lines ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.invoice_lines_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.invoice_number_counters (
    year smallint NOT NULL,
    last_number integer NOT NULL,
    CONSTRAINT invoice_number_counters_last_number_check CHECK ((last_number > 0)),
    CONSTRAINT invoice_number_counters_year_check CHECK (((year >= 2000) AND (year <= 9999)))
);
CREATE TABLE public.invoice_reminders (
    id bigint NOT NULL,
    invoice_id bigint NOT NULL,
    level smallint NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    sent_to text[] NOT NULL,
    channel text NOT NULL,
    message_id text,
    language text NOT NULL,
    new_due_date date NOT NULL,
    open_amount_chf numeric(10,2) NOT NULL,
    fee_chf numeric(10,2) DEFAULT 0 NOT NULL,
    pdf bytea NOT NULL,
    pdf_sha256 bytea NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT invoice_reminders_check CHECK ((pdf_sha256 = sha256(pdf))),
    CONSTRAINT invoice_reminders_fee_chf_check CHECK (((fee_chf >= (0)::numeric) AND (fee_chf <= 99999999.99))),
    CONSTRAINT invoice_reminders_language_check CHECK ((language ~ '^[a-z]{2}$'::text)),
    CONSTRAINT invoice_reminders_level_check CHECK (((level >= 1) AND (level <= 3))),
    CONSTRAINT invoice_reminders_new_due_date_check CHECK (isfinite(new_due_date)),
    CONSTRAINT invoice_reminders_open_amount_chf_check CHECK (((open_amount_chf >= (0)::numeric) AND (open_amount_chf <= 99999999.99))),
    CONSTRAINT invoice_reminders_sent_at_check CHECK (isfinite(sent_at)),
    CONSTRAINT invoice_reminders_sent_to_check CHECK ((cardinality(sent_to) > 0))
);
ALTER TABLE public.invoice_reminders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.invoice_reminders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.invoices (
    id bigint NOT NULL,
    number_year smallint NOT NULL,
    number_seq integer NOT NULL,
    invoice_number text NOT NULL,
    document_kind text DEFAULT 'invoice'::text NOT NULL,
    corrects_invoice_id bigint,
    zitadel_org_id text NOT NULL,
    billing_kind text NOT NULL,
    status text DEFAULT 'issued'::text NOT NULL,
    period_start date,
    period_end date,
    issue_date date NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    due_date date NOT NULL,
    currency text DEFAULT 'CHF'::text NOT NULL,
    supplier jsonb NOT NULL,
    customer jsonb NOT NULL,
    vat_treatment text NOT NULL,
    vat_breakdown jsonb NOT NULL,
    subtotal_chf numeric(10,2) NOT NULL,
    vat_amount_chf numeric(10,2) NOT NULL,
    rounding_chf numeric(10,2) DEFAULT 0 NOT NULL,
    total_chf numeric(10,2) NOT NULL,
    payment_reference text,
    creditor_iban text,
    basis jsonb NOT NULL,
    basis_sha256 bytea NOT NULL,
    created_by text NOT NULL,
    pdf bytea,
    pdf_sha256 bytea,
    sent_at timestamp with time zone,
    paid_at timestamp with time zone,
    paid_method text,
    paid_note text,
    stripe_payment_intent_id text,
    cancelled_at timestamp with time zone,
    CONSTRAINT invoices_basis_sha256_check CHECK ((octet_length(basis_sha256) = 32)),
    CONSTRAINT invoices_billing_kind_check CHECK ((billing_kind = ANY (ARRAY['periodic'::text, 'final'::text, 'manual'::text]))),
    CONSTRAINT invoices_cancelled_at_check CHECK (isfinite(cancelled_at)),
    CONSTRAINT invoices_check CHECK ((pdf_sha256 = sha256(pdf))),
    CONSTRAINT invoices_check1 CHECK ((issue_date = ((issued_at AT TIME ZONE 'Europe/Zurich'::text))::date)),
    CONSTRAINT invoices_check10 CHECK (((pdf IS NULL) = (pdf_sha256 IS NULL))),
    CONSTRAINT invoices_check11 CHECK (((status = 'paid'::text) = (paid_at IS NOT NULL))),
    CONSTRAINT invoices_check12 CHECK (((status = 'cancelled'::text) = (cancelled_at IS NOT NULL))),
    CONSTRAINT invoices_check13 CHECK (((status = 'paid'::text) OR ((paid_method IS NULL) AND (paid_note IS NULL)))),
    CONSTRAINT invoices_check2 CHECK (((number_year)::numeric = EXTRACT(year FROM issue_date))),
    CONSTRAINT invoices_check3 CHECK ((due_date >= issue_date)),
    CONSTRAINT invoices_check4 CHECK (((document_kind = 'credit_note'::text) = (corrects_invoice_id IS NOT NULL))),
    CONSTRAINT invoices_check5 CHECK (((period_start IS NULL) = (period_end IS NULL))),
    CONSTRAINT invoices_check6 CHECK ((period_start < period_end)),
    CONSTRAINT invoices_check7 CHECK (((billing_kind = 'manual'::text) OR (period_start IS NOT NULL))),
    CONSTRAINT invoices_check8 CHECK ((total_chf = ((subtotal_chf + vat_amount_chf) + rounding_chf))),
    CONSTRAINT invoices_check9 CHECK (
CASE document_kind
    WHEN 'invoice'::text THEN (((subtotal_chf >= (0)::numeric) AND (subtotal_chf <= 99999999.99)) AND ((vat_amount_chf >= (0)::numeric) AND (vat_amount_chf <= 99999999.99)) AND ((total_chf >= (0)::numeric) AND (total_chf <= 99999999.99)))
    ELSE (((subtotal_chf >= '-99999999.99'::numeric) AND (subtotal_chf <= (0)::numeric)) AND ((vat_amount_chf >= '-99999999.99'::numeric) AND (vat_amount_chf <= (0)::numeric)) AND ((total_chf >= '-99999999.99'::numeric) AND (total_chf <= (0)::numeric)))
END),
    CONSTRAINT invoices_currency_check CHECK ((currency = 'CHF'::text)),
    CONSTRAINT invoices_customer_check CHECK ((jsonb_typeof(customer) = 'object'::text)),
    CONSTRAINT invoices_document_kind_check CHECK ((document_kind = ANY (ARRAY['invoice'::text, 'credit_note'::text]))),
    CONSTRAINT invoices_due_date_check CHECK (isfinite(due_date)),
    CONSTRAINT invoices_issued_at_check CHECK (isfinite(issued_at)),
    CONSTRAINT invoices_number_seq_check CHECK ((number_seq > 0)),
    CONSTRAINT invoices_paid_at_check CHECK (isfinite(paid_at)),
    CONSTRAINT invoices_period_end_check CHECK (isfinite(period_end)),
    CONSTRAINT invoices_period_start_check CHECK (isfinite(period_start)),
    CONSTRAINT invoices_rounding_chf_check CHECK (((rounding_chf >= '-0.02'::numeric) AND (rounding_chf <= 0.02))),
    CONSTRAINT invoices_sent_at_check CHECK (isfinite(sent_at)),
    CONSTRAINT invoices_status_check CHECK ((status = ANY (ARRAY['issued'::text, 'paid'::text, 'cancelled'::text]))),
    CONSTRAINT invoices_supplier_check CHECK ((jsonb_typeof(supplier) = 'object'::text)),
    CONSTRAINT invoices_vat_breakdown_check CHECK ((jsonb_typeof(vat_breakdown) = 'array'::text)),
    CONSTRAINT invoices_vat_treatment_check CHECK ((vat_treatment = ANY (ARRAY['chli'::text, 'export'::text, 'exempt'::text])))
);
ALTER TABLE public.invoices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.invoices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.org_billing_config (
    zitadel_org_id text NOT NULL,
    pay_by_invoice boolean DEFAULT false NOT NULL,
    auto_invoice_enabled boolean DEFAULT false NOT NULL,
    auto_reminders_enabled boolean DEFAULT false NOT NULL,
    stripe_customer_id text,
    payment_terms_days integer DEFAULT 30 NOT NULL,
    legal_name text,
    contact_name text,
    billing_email text,
    street text,
    house_number text,
    postal_code text,
    town text,
    country text DEFAULT 'CH'::text NOT NULL,
    language text DEFAULT 'de'::text NOT NULL,
    vat_number text,
    vat_treatment text DEFAULT 'chli'::text NOT NULL,
    customer_reference text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT org_billing_config_country_check CHECK ((country ~ '^[A-Z]{2}$'::text)),
    CONSTRAINT org_billing_config_language_check CHECK ((language ~ '^[a-z]{2}$'::text)),
    CONSTRAINT org_billing_config_payment_terms_days_check CHECK (((payment_terms_days >= 0) AND (payment_terms_days <= 365))),
    CONSTRAINT org_billing_config_updated_at_check CHECK (isfinite(updated_at)),
    CONSTRAINT org_billing_config_vat_treatment_check CHECK ((vat_treatment = ANY (ARRAY['chli'::text, 'export'::text, 'exempt'::text])))
);
CREATE TABLE public.org_payment_methods (
    id bigint NOT NULL,
    zitadel_org_id text NOT NULL,
    stripe_payment_method_id text NOT NULL,
    method_type text NOT NULL,
    brand text,
    last4 text,
    exp_month smallint,
    exp_year smallint,
    is_default boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    detached_at timestamp with time zone,
    CONSTRAINT org_payment_methods_check CHECK (((NOT is_default) OR (detached_at IS NULL))),
    CONSTRAINT org_payment_methods_detached_at_check CHECK (isfinite(detached_at)),
    CONSTRAINT org_payment_methods_exp_month_check CHECK (((exp_month >= 1) AND (exp_month <= 12))),
    CONSTRAINT org_payment_methods_exp_year_check CHECK (((exp_year >= 2000) AND (exp_year <= 9999))),
    CONSTRAINT org_payment_methods_last4_check CHECK ((last4 ~ '^[0-9]{4}$'::text))
);
ALTER TABLE public.org_payment_methods ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.org_payment_methods_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.platform_pricing (
    id smallint DEFAULT 1 NOT NULL,
    tenant_monthly_fee_chf numeric(10,2) DEFAULT 0 NOT NULL,
    tenant_setup_fee_chf numeric(10,2) DEFAULT 0 NOT NULL,
    threema_message_chf numeric(10,5) DEFAULT 0 NOT NULL,
    vat_rate_chli numeric(5,2) DEFAULT 8.10 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT platform_pricing_id_check CHECK ((id = 1)),
    CONSTRAINT platform_pricing_tenant_monthly_fee_chf_check CHECK (((tenant_monthly_fee_chf >= (0)::numeric) AND (tenant_monthly_fee_chf <= 99999999.99))),
    CONSTRAINT platform_pricing_tenant_setup_fee_chf_check CHECK (((tenant_setup_fee_chf >= (0)::numeric) AND (tenant_setup_fee_chf <= 99999999.99))),
    CONSTRAINT platform_pricing_threema_message_chf_check CHECK (((threema_message_chf >= (0)::numeric) AND (threema_message_chf <= 99999.99999))),
    CONSTRAINT platform_pricing_updated_at_check CHECK (isfinite(updated_at)),
    CONSTRAINT platform_pricing_vat_rate_chli_check CHECK (((vat_rate_chli >= (0)::numeric) AND (vat_rate_chli <= (100)::numeric)))
);
CREATE TABLE public.skill_pricing (
    skill_id text NOT NULL,
    daily_price_chf numeric(10,5) NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT skill_pricing_daily_price_chf_check CHECK (((daily_price_chf >= (0)::numeric) AND (daily_price_chf <= 99999.99999))),
    CONSTRAINT skill_pricing_updated_at_check CHECK (isfinite(updated_at))
);
ALTER TABLE public.tenant_skill_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tenant_skill_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.tenant_suspension_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tenant_suspension_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO ledger.anomalies OVERRIDING SYSTEM VALUE VALUES (1, 'clock_skew', '00000004-0000-4000-8000-000000000000', '{"generation": 1}', '2026-11-20 10:00:00+00', '2026-11-25 18:29:12.831167+00', '2026-11-25 18:29:15.390704+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 219, 'audit', '2222816d44f7d592190325a52d5f3da8', 1, 'alice', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', '5c1ac73c-2124-4d9a-be8b-0faf94e7af9a', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:50.369755+00', '2026-11-22 09:25:50.382949+00', '2026-11-25 18:29:15.217564+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 220, 'audit', 'b074fb4a1523c0e4f28038b118c717fd', 2, 'bob', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '1a237506-2ea4-4f5b-9276-118f25a2fe06', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:51.666429+00', '2026-11-22 09:25:51.674105+00', '2026-11-25 18:29:15.217792+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 221, 'audit', 'ab27d290b8b4b6b1c91db5fa5da2605f', 3, 'alice', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'cff29eb3-a3cb-437e-bc81-dd4987e22e5b', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:52.988665+00', '2026-11-22 09:25:52.998856+00', '2026-11-25 18:29:15.217802+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 222, 'audit', '3d53442597b459d51e8f8ecf25fa366c', 4, 'alice', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'd2130346-1a9f-4cd0-8a86-642ee75a6d82', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:54.275028+00', '2026-11-22 09:25:54.280484+00', '2026-11-25 18:29:15.217808+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 226, 'audit', '7b3d696b2efc91da5a513fc48876a883', 5, 'bob', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'd32242b7-0f85-4f86-924d-edcf7793937d', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:56.909656+00', '2026-11-22 09:25:56.917113+00', '2026-11-25 18:29:15.217813+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 227, 'audit', '51b01ff30a0f2aadda3429e0481b2755', 5, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '1bdc2781-e09c-464f-9eed-27ce8851c4d7', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:58.182894+00', '2026-11-22 09:25:58.188185+00', '2026-11-25 18:29:15.217819+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 227, 'audit', '648cde331d93561865253a6b200b9fd4', 5, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '50299984-cb08-4342-900c-19ede6b681e5', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:25:59.458949+00', '2026-11-22 09:25:59.464171+00', '2026-11-25 18:29:15.217824+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 228, 'audit', '15a507db10c9ba846600e35671676788', 5, 'alice', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '393b7223-52a2-4010-af36-d49b617dab9c', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:01.207508+00', '2026-11-22 09:26:01.21443+00', '2026-11-25 18:29:15.217833+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 229, 'audit', 'f1cfe7ff7da3164b884987d54ea82999', 6, 'carol', '{system:masters,system:authenticated}', 'alice', 'patch', 'likely', NULL, '{}', '26d81f7c-7af0-42e3-acc3-5dec7da2a85d', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:02.487068+00', '2026-11-22 09:26:02.493674+00', '2026-11-25 18:29:15.217838+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 230, 'audit', '484f38af51ad16f3bbd6d600c7a937d9', 6, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'e878d955-cb83-4515-bc2d-aad22e197e6d', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:03.763927+00', '2026-11-22 09:26:03.769826+00', '2026-11-25 18:29:15.217843+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 231, 'audit', 'd5a75038070678f25ecdbd5c4e14e9a5', 7, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'likely', NULL, '{}', 'dfca26cc-1e45-4122-bcae-491e602ba4b9', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:04.151076+00', '2026-11-22 09:26:04.156855+00', '2026-11-25 18:29:15.217848+00');
INSERT INTO ledger.attributions VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 0, 'audit', 'a3ff8c83a1ff38e1d9d15a006c84b44a', NULL, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'proven', NULL, '{}', '6b9cc63b-20b6-4bc1-a49c-bf81ff7f2309', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:05.426364+00', '2026-11-22 09:26:05.43358+00', '2026-11-25 18:29:15.217854+00');
INSERT INTO ledger.attributions VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 235, 'audit', '1bcdbd795742e0e05ee6de11775a4d96', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', 'f419049a-f8d8-41e5-9373-e385898e3323', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:06.697222+00', '2026-11-22 09:26:06.701517+00', '2026-11-25 18:29:15.217859+00');
INSERT INTO ledger.attributions VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 236, 'audit', 'da8cc8f5f73df420a98433f772d26eff', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', 'cd24880e-7edb-431c-a336-60d8ede3cbc2', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:07.264538+00', '2026-11-22 09:26:07.269126+00', '2026-11-25 18:29:15.217867+00');
INSERT INTO ledger.attributions VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 237, 'audit', '1a8cf37cadb10a3be987a9db0c9dea8b', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', 'defaabf3-8823-4b34-87ad-667bcdfb7d4f', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:07.335819+00', '2026-11-22 09:26:07.340184+00', '2026-11-25 18:29:15.217873+00');
INSERT INTO ledger.attributions VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 0, 'audit', 'c04c0f4d10ac9af8791017082c9cf328', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'proven', NULL, '{}', 'b7be239a-0b9f-45a7-86c2-d98571b265b6', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:08.406021+00', '2026-11-22 09:26:08.410822+00', '2026-11-25 18:29:15.217877+00');
INSERT INTO ledger.attributions VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 0, 'audit', 'db8f5f8bb8923524d24814258d545c72', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'proven', NULL, '{}', '424c1939-484b-44aa-861e-6ce5877a5322', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:08.411807+00', '2026-11-22 09:26:08.41613+00', '2026-11-25 18:29:15.217882+00');
INSERT INTO ledger.attributions VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 0, 'audit', '45bdd2fd64ac19c69514d7ec4a0b2d12', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'proven', NULL, '{}', '0b285b18-4ea2-4fd1-97f5-4f6cbc25240c', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:08.416897+00', '2026-11-22 09:26:08.420762+00', '2026-11-25 18:29:15.217887+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 247, 'audit', '0ef73ed33afb1019b9044c34a7c21786', 1, 'alice', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', 'ff8bb45c-622d-48ed-9ece-5192f7516994', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:44.550583+00', '2026-11-22 09:26:44.563339+00', '2026-11-25 18:29:15.217893+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 249, 'audit', '7155b8d73c14d9d99465547e7c3d948e', 2, 'bob', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'd8b021db-6b8c-4fc1-8cf7-1a3f5d2e7db6', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:45.837008+00', '2026-11-22 09:26:45.842982+00', '2026-11-25 18:29:15.217898+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 251, 'audit', 'dd10c1096bddd5b3819b25c2f15c3278', 3, 'alice', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'f780158c-d85a-4fad-9f88-767296261d77', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:47.118162+00', '2026-11-22 09:26:47.123912+00', '2026-11-25 18:29:15.217905+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 252, 'audit', '46fe09060863add89ad2667976ab69a1', 4, 'alice', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '134ee1bd-af64-40d2-aa70-c3d286dc63c0', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:48.39324+00', '2026-11-22 09:26:48.39864+00', '2026-11-25 18:29:15.21791+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 254, 'audit', 'af1e8a85f0f1d4a1eddc0a84ef234a2b', 5, 'bob', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '83e4a66e-c05e-4573-be1b-44d0e9b4eb27', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:50.936663+00', '2026-11-22 09:26:50.942002+00', '2026-11-25 18:29:15.217916+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 255, 'audit', '778c2dc9748419cd6ce6d11be126d918', 5, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', '10eae66d-0a88-4d65-9293-205f6904e697', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:52.215877+00', '2026-11-22 09:26:52.221754+00', '2026-11-25 18:29:15.217921+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 255, 'audit', 'b0962a5c79a836ca88d02200a3e4f4e4', 5, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'dfc9a4fb-0fde-403a-b69f-84017823851f', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:53.483001+00', '2026-11-22 09:26:53.487516+00', '2026-11-25 18:29:15.218033+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 256, 'audit', 'c5135ee782179892178e959323162523', 5, 'alice', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'c5473c17-9f79-416b-b1db-762ec612253d', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:55.201129+00', '2026-11-22 09:26:55.208612+00', '2026-11-25 18:29:15.218039+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 258, 'audit', '263deec0280e985f3bd23b72f6d416ab', 6, 'carol', '{system:masters,system:authenticated}', 'alice', 'patch', 'likely', NULL, '{}', '9569dde1-4dc2-427f-8f05-51f90183d70b', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:56.486763+00', '2026-11-22 09:26:56.495007+00', '2026-11-25 18:29:15.218047+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 260, 'audit', '50e6ed4c4646f4207f1b2e35d8454426', 6, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'likely', NULL, '{}', 'f210da5f-10c7-48d8-8cf7-c5681bd60258', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:57.778365+00', '2026-11-22 09:26:57.785548+00', '2026-11-25 18:29:15.218052+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 261, 'audit', 'caea8434124e309956d3ad95f1271cd2', 7, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'likely', NULL, '{}', '1d8011d4-8653-4948-b69b-e269d94d021f', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:58.147506+00', '2026-11-22 09:26:58.15254+00', '2026-11-25 18:29:15.218057+00');
INSERT INTO ledger.attributions VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 0, 'audit', 'fae12634c26d79d87ae45adb1b18af0b', NULL, 'admin', '{system:masters,system:authenticated}', NULL, 'patch', 'proven', NULL, '{}', '1a1ec933-cb0f-48c7-af41-9cb9587cabff', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:26:59.416312+00', '2026-11-22 09:26:59.42252+00', '2026-11-25 18:29:15.218062+00');
INSERT INTO ledger.attributions VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 263, 'audit', 'f4cbe2cdf046364708f8d1d39e7ac026', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', 'c2d9dd1a-7e80-4d8d-92a6-431d3e0da8aa', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:00.686471+00', '2026-11-22 09:27:00.692352+00', '2026-11-25 18:29:15.218067+00');
INSERT INTO ledger.attributions VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 264, 'audit', '49c667e547878aa5ee73ae981009c0bd', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', '08deb2c2-d26e-4661-8ec2-676d790253ae', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:01.268143+00', '2026-11-22 09:27:01.27428+00', '2026-11-25 18:29:15.218072+00');
INSERT INTO ledger.attributions VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 265, 'audit', 'c17ba18f793455556bc3a85d78e483a7', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', 'f09ceff8-1a82-493d-9796-af3b8f841aa8', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:01.341122+00', '2026-11-22 09:27:01.346075+00', '2026-11-25 18:29:15.218079+00');
INSERT INTO ledger.attributions VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 0, 'audit', 'ded577d2ba2088706b744294a7ec7bb6', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'proven', NULL, '{}', 'b85b5586-9e90-42e9-9db4-326aea8b7492', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:02.412136+00', '2026-11-22 09:27:02.417187+00', '2026-11-25 18:29:15.218084+00');
INSERT INTO ledger.attributions VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 0, 'audit', 'daa77cc2082cf06e2cafec49e28a74d0', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'proven', NULL, '{}', '38ec4aa8-3e1e-4656-820e-0fecabb105c6', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:02.418047+00', '2026-11-22 09:27:02.422602+00', '2026-11-25 18:29:15.218089+00');
INSERT INTO ledger.attributions VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 0, 'audit', '730499e73504db2e51f73cc35d6263f3', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'delete', 'proven', NULL, '{}', '03ce093a-c672-408d-9aee-91f96cac3fc1', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:02.423382+00', '2026-11-22 09:27:02.427357+00', '2026-11-25 18:29:15.218094+00');
INSERT INTO ledger.attributions VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 269, 'audit', '028dad2b7b572c5deaaf41bd2042fafc', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', '9b740226-6508-41e6-b03f-29302534d006', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:03.497401+00', '2026-11-22 09:27:03.502527+00', '2026-11-25 18:29:15.218099+00');
INSERT INTO ledger.attributions VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 270, 'audit', '1ed86f846f2facf8d1ed65604e075619', 1, 'bob', '{system:masters,system:authenticated}', NULL, 'create', 'proven', NULL, '{}', '874c6847-6031-4e3c-9390-aae394ee1dba', 'kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07', '{127.0.0.1}', '2026-11-22 09:27:03.563371+00', '2026-11-22 09:27:03.56736+00', '2026-11-25 18:29:15.218104+00');
INSERT INTO ledger.attributions VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 0, 'audit', '423f36649c4b895f76a44c8fea890458', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'deletecollection', 'likely', NULL, '{}', '4e036c99-56b2-4999-8d94-030eb5ab24fb', 'curl/7.88.1', '{127.0.0.1}', '2026-11-22 09:27:04.583845+00', '2026-11-22 09:27:04.592868+00', '2026-11-25 18:29:15.218108+00');
INSERT INTO ledger.attributions VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 0, 'audit', '423f36649c4b895f76a44c8fea890458', NULL, 'bob', '{system:masters,system:authenticated}', NULL, 'deletecollection', 'likely', NULL, '{}', '4e036c99-56b2-4999-8d94-030eb5ab24fb', 'curl/7.88.1', '{127.0.0.1}', '2026-11-22 09:27:04.583845+00', '2026-11-22 09:27:04.592868+00', '2026-11-25 18:29:15.218116+00');
INSERT INTO ledger.backfills OVERRIDING SYSTEM VALUE VALUES (1, 'carol', '2026-11-25 18:29:14.39288+00', '2026-11-25 18:29:14.440173+00', 3, 3, 4, 0, '[]');
INSERT INTO ledger.censuses VALUES (103, '2026-11-25 18:29:12.813164+00', '2026-11-25 18:29:12.816033+00', NULL, '{00000001-0000-4000-8000-000000000000,00000002-0000-4000-8000-000000000000,00000003-0000-4000-8000-000000000000}', '{}', false, NULL, NULL, '2026-11-25 18:29:12.880952+00');
INSERT INTO ledger.censuses VALUES (103, '2026-11-25 18:29:14.394061+00', '2026-11-25 18:29:14.39625+00', NULL, '{00000001-0000-4000-8000-000000000000,00000002-0000-4000-8000-000000000000,00000003-0000-4000-8000-000000000000}', '{}', false, NULL, NULL, '2026-11-25 18:29:14.430686+00');
INSERT INTO ledger.history VALUES (1, 'c1c1c1c1-0000-4000-8000-00000000c1c1', '2026-11-25 18:29:12+00', '2026-11-25 18:29:14.40098+00', 'carol');
INSERT INTO ledger.migrations VALUES (1, '0001_billing.sql', '\x8c4f3ec1c842412fbb6553a645233977a3318dd637eeb1517023d04e9396f3f6', '2026-11-25 18:29:12.757805+00');
INSERT INTO ledger.migrations VALUES (2, '0002_ledger.sql', '\xc63fd98f19774e9b2439fec8bb57f32d52170816fb7540edf41ef1089b61448d', '2026-11-25 18:29:12.800964+00');
INSERT INTO ledger.observations VALUES ('00000001-0000-4000-8000-000000000000', 2, 101, 'tenant-1', '{jitsi,wiki}', false, NULL, '2026-11-20 10:00:00+00', NULL, NULL, 'list', '\x4426bf1eafa0402745a1581948fcf415c9fd3dfd8be940757443b5357076b38e', '2026-11-25 18:29:12.833542+00');
INSERT INTO ledger.observations VALUES ('00000002-0000-4000-8000-000000000000', 1, 102, 'tenant-2', '{threema}', false, NULL, '2026-11-20 10:00:00+00', NULL, NULL, 'list', '\xc1e69bd9f2c7a6067f7985aef3dcd1eb4a8621ec77a43e632902c09b4e6d07a7', '2026-11-25 18:29:12.83376+00');
INSERT INTO ledger.observations VALUES ('00000003-0000-4000-8000-000000000000', 4, 103, 'tenant-3', '{jitsi}', false, NULL, '2026-11-20 10:00:00+00', NULL, NULL, 'list', '\xa537c0089bfd6e92e8ebb1b484e42d5d079d5cc03b6942b3e2c193e21446e48a', '2026-11-25 18:29:12.833773+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 1, 219, 'acme', '{searxng-local-search,threema}', false, NULL, '2026-11-22 09:25:50+00', NULL, NULL, 'audit', '\xd23486a07b8580438896f1747b969793c96c5b0cf5b09f2177e1a218e96aa157', '2026-11-25 18:29:15.187708+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 2, 220, 'acme', '{nextcloud,searxng-local-search,threema}', false, NULL, '2026-11-22 09:25:50+00', NULL, NULL, 'audit', '\xbbee681f4514a27a413dd92f4636b85d0624f2d19af4e9b2f9df373a89fc8b34', '2026-11-25 18:29:15.187826+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 3, 221, 'acme', '{nextcloud,searxng-local-search}', false, NULL, '2026-11-22 09:25:50+00', NULL, NULL, 'audit', '\xa4b2371d16912f0549a4f450837135a20c18fffa0faaac756563db0e93877982', '2026-11-25 18:29:15.187836+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 4, 222, 'acme', '{nextcloud,searxng-local-search}', true, NULL, '2026-11-22 09:25:50+00', NULL, NULL, 'audit', '\x21818b17511f431a4e2c595bcbf8a80494fd5a787e616b4a3e95e411988a43c2', '2026-11-25 18:29:15.187845+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 5, 226, 'acme', '{nextcloud,searxng-local-search}', false, NULL, '2026-11-22 09:25:50+00', NULL, NULL, 'audit', '\xa4b2371d16912f0549a4f450837135a20c18fffa0faaac756563db0e93877982', '2026-11-25 18:29:15.187858+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 6, 229, 'acme', '{jitsi,searxng-local-search}', false, NULL, '2026-11-22 09:25:50+00', NULL, NULL, 'audit', '\x5f9a4ca0f1781aaed76fdde854243979cd4823e6663c62536071848ac05538ae', '2026-11-25 18:29:15.187879+00');
INSERT INTO ledger.observations VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 7, 231, 'acme', '{jitsi,searxng-local-search}', false, NULL, '2026-11-22 09:25:50+00', '2026-11-22 09:26:04+00', NULL, 'audit', '\x5f9a4ca0f1781aaed76fdde854243979cd4823e6663c62536071848ac05538ae', '2026-11-25 18:29:15.187891+00');
INSERT INTO ledger.observations VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 1, 235, 'acme', '{jitsi}', false, NULL, '2026-11-22 09:26:06+00', NULL, NULL, 'audit', '\xa537c0089bfd6e92e8ebb1b484e42d5d079d5cc03b6942b3e2c193e21446e48a', '2026-11-25 18:29:15.187968+00');
INSERT INTO ledger.observations VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 1, 236, 'beta', '{jitsi,nextcloud}', false, NULL, '2026-11-22 09:26:07+00', NULL, NULL, 'audit', '\x7ccb6f44ec9c1277940574828beb1c92a32c03246f140d545e5550e2a738540b', '2026-11-25 18:29:15.187979+00');
INSERT INTO ledger.observations VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 1, 237, 'gamma', '{}', false, NULL, '2026-11-22 09:26:07+00', NULL, NULL, 'audit', '\xbb7282669bf21d16849c4ffa16905d1c4722116779294fda7d52080c3fa24214', '2026-11-25 18:29:15.18799+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 1, 247, 'acme', '{searxng-local-search,threema}', false, NULL, '2026-11-22 09:26:44+00', NULL, NULL, 'audit', '\xd23486a07b8580438896f1747b969793c96c5b0cf5b09f2177e1a218e96aa157', '2026-11-25 18:29:15.187997+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 2, 249, 'acme', '{nextcloud,searxng-local-search,threema}', false, NULL, '2026-11-22 09:26:44+00', NULL, NULL, 'audit', '\xbbee681f4514a27a413dd92f4636b85d0624f2d19af4e9b2f9df373a89fc8b34', '2026-11-25 18:29:15.188004+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 3, 251, 'acme', '{nextcloud,searxng-local-search}', false, NULL, '2026-11-22 09:26:44+00', NULL, NULL, 'audit', '\xa4b2371d16912f0549a4f450837135a20c18fffa0faaac756563db0e93877982', '2026-11-25 18:29:15.188011+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 4, 252, 'acme', '{nextcloud,searxng-local-search}', true, NULL, '2026-11-22 09:26:44+00', NULL, NULL, 'audit', '\x21818b17511f431a4e2c595bcbf8a80494fd5a787e616b4a3e95e411988a43c2', '2026-11-25 18:29:15.188018+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 5, 254, 'acme', '{nextcloud,searxng-local-search}', false, NULL, '2026-11-22 09:26:44+00', NULL, NULL, 'audit', '\xa4b2371d16912f0549a4f450837135a20c18fffa0faaac756563db0e93877982', '2026-11-25 18:29:15.188029+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 6, 258, 'acme', '{jitsi,searxng-local-search}', false, NULL, '2026-11-22 09:26:44+00', NULL, NULL, 'audit', '\x5f9a4ca0f1781aaed76fdde854243979cd4823e6663c62536071848ac05538ae', '2026-11-25 18:29:15.188049+00');
INSERT INTO ledger.observations VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 7, 261, 'acme', '{jitsi,searxng-local-search}', false, NULL, '2026-11-22 09:26:44+00', '2026-11-22 09:26:58+00', NULL, 'audit', '\x5f9a4ca0f1781aaed76fdde854243979cd4823e6663c62536071848ac05538ae', '2026-11-25 18:29:15.188061+00');
INSERT INTO ledger.observations VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 1, 263, 'acme', '{jitsi}', false, NULL, '2026-11-22 09:27:00+00', NULL, NULL, 'audit', '\xa537c0089bfd6e92e8ebb1b484e42d5d079d5cc03b6942b3e2c193e21446e48a', '2026-11-25 18:29:15.188069+00');
INSERT INTO ledger.observations VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 1, 264, 'beta', '{jitsi,nextcloud}', false, NULL, '2026-11-22 09:27:01+00', NULL, NULL, 'audit', '\x7ccb6f44ec9c1277940574828beb1c92a32c03246f140d545e5550e2a738540b', '2026-11-25 18:29:15.188075+00');
INSERT INTO ledger.observations VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 1, 265, 'gamma', '{}', false, NULL, '2026-11-22 09:27:01+00', NULL, NULL, 'audit', '\xbb7282669bf21d16849c4ffa16905d1c4722116779294fda7d52080c3fa24214', '2026-11-25 18:29:15.188082+00');
INSERT INTO ledger.observations VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 1, 269, 'delta', '{jitsi,nextcloud}', false, NULL, '2026-11-22 09:27:03+00', NULL, NULL, 'audit', '\x7ccb6f44ec9c1277940574828beb1c92a32c03246f140d545e5550e2a738540b', '2026-11-25 18:29:15.188091+00');
INSERT INTO ledger.observations VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 1, 270, 'epsilon', '{}', false, NULL, '2026-11-22 09:27:03+00', NULL, NULL, 'audit', '\xbb7282669bf21d16849c4ffa16905d1c4722116779294fda7d52080c3fa24214', '2026-11-25 18:29:15.188098+00');
INSERT INTO ledger.observations VALUES ('00000001-0000-4000-8000-000000000000', 3, 104, 'tenant-1', '{jitsi}', false, NULL, '2026-11-20 10:00:00+00', NULL, NULL, 'watch', '\xa537c0089bfd6e92e8ebb1b484e42d5d079d5cc03b6942b3e2c193e21446e48a', '2026-11-25 18:29:15.389489+00');
INSERT INTO ledger.observations VALUES ('00000002-0000-4000-8000-000000000000', 2, 105, 'tenant-2', '{threema}', true, NULL, '2026-11-20 10:00:00+00', NULL, NULL, 'watch', '\xbf4fc13561872a2d7d7b9534e1cc0b8c78500a6e4ed19811aa5c03e7ab11db47', '2026-11-25 18:29:15.389535+00');
INSERT INTO ledger.observations VALUES ('00000004-0000-4000-8000-000000000000', 1, 107, 'tenant-4', '{nextcloud}', false, NULL, '2026-11-20 10:00:00+00', NULL, NULL, 'watch', '\x75437a6348161a0c0b12bd15d47c6d73fecaab41853761e5a46a2eb745d87d9c', '2026-11-25 18:29:15.389544+00');
INSERT INTO ledger.orgs VALUES ('00000001-0000-4000-8000-000000000000', 101, 2, 'org-1', '2026-11-25 18:29:12.833908+00');
INSERT INTO ledger.orgs VALUES ('00000002-0000-4000-8000-000000000000', 102, 1, 'org-2', '2026-11-25 18:29:12.834059+00');
INSERT INTO ledger.orgs VALUES ('00000003-0000-4000-8000-000000000000', 103, 4, 'org-1', '2026-11-25 18:29:12.834065+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 219, 1, '283746501', '2026-11-25 18:29:15.188222+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 220, 2, '283746501', '2026-11-25 18:29:15.188256+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 221, 3, '283746501', '2026-11-25 18:29:15.188265+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 222, 4, '283746501', '2026-11-25 18:29:15.188269+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 223, 4, '283746501', '2026-11-25 18:29:15.188273+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 226, 5, '283746501', '2026-11-25 18:29:15.188278+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 227, 5, '283746501', '2026-11-25 18:29:15.188282+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 228, 5, '283746501', '2026-11-25 18:29:15.188289+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 229, 6, '283746501', '2026-11-25 18:29:15.188293+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 230, 6, '283746501', '2026-11-25 18:29:15.188297+00');
INSERT INTO ledger.orgs VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 231, 7, '283746501', '2026-11-25 18:29:15.188301+00');
INSERT INTO ledger.orgs VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 235, 1, '999000111', '2026-11-25 18:29:15.188306+00');
INSERT INTO ledger.orgs VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 236, 1, '555', '2026-11-25 18:29:15.18831+00');
INSERT INTO ledger.orgs VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 237, 1, '555', '2026-11-25 18:29:15.188314+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 247, 1, '283746501', '2026-11-25 18:29:15.188317+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 249, 2, '283746501', '2026-11-25 18:29:15.188325+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 251, 3, '283746501', '2026-11-25 18:29:15.188329+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 252, 4, '283746501', '2026-11-25 18:29:15.188333+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 253, 4, '283746501', '2026-11-25 18:29:15.188388+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 254, 5, '283746501', '2026-11-25 18:29:15.188392+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 255, 5, '283746501', '2026-11-25 18:29:15.188396+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 256, 5, '283746501', '2026-11-25 18:29:15.188402+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 258, 6, '283746501', '2026-11-25 18:29:15.188406+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 260, 6, '283746501', '2026-11-25 18:29:15.188411+00');
INSERT INTO ledger.orgs VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 261, 7, '283746501', '2026-11-25 18:29:15.188425+00');
INSERT INTO ledger.orgs VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 263, 1, '999000111', '2026-11-25 18:29:15.188429+00');
INSERT INTO ledger.orgs VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 264, 1, '555', '2026-11-25 18:29:15.188433+00');
INSERT INTO ledger.orgs VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 265, 1, '555', '2026-11-25 18:29:15.188441+00');
INSERT INTO ledger.orgs VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 269, 1, '555', '2026-11-25 18:29:15.188445+00');
INSERT INTO ledger.orgs VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 270, 1, '555', '2026-11-25 18:29:15.188449+00');
INSERT INTO ledger.orgs VALUES ('00000001-0000-4000-8000-000000000000', 104, 3, 'org-1', '2026-11-25 18:29:15.389577+00');
INSERT INTO ledger.orgs VALUES ('00000002-0000-4000-8000-000000000000', 105, 2, 'org-2', '2026-11-25 18:29:15.389594+00');
INSERT INTO ledger.orgs VALUES ('00000004-0000-4000-8000-000000000000', 107, 1, 'org-3', '2026-11-25 18:29:15.389599+00');
INSERT INTO ledger.pricing_history OVERRIDING SYSTEM VALUE VALUES (1, 'platform_pricing', 'INSERT', NULL, '{"id": 1, "updated_at": "2026-11-25T18:29:12.726302+00:00", "updated_by": "postgres", "vat_rate_chli": 8.10, "threema_message_chf": 0.00000, "tenant_setup_fee_chf": 0.00, "tenant_monthly_fee_chf": 0.00}', 'postgres', '2026-11-25 18:29:12.726812+00');
INSERT INTO ledger.pricing_history OVERRIDING SYSTEM VALUE VALUES (2, 'platform_pricing', 'UPDATE', '{"id": 1, "updated_at": "2026-11-25T18:29:12.726302+00:00", "updated_by": "postgres", "vat_rate_chli": 8.10, "threema_message_chf": 0.00000, "tenant_setup_fee_chf": 0.00, "tenant_monthly_fee_chf": 0.00}', '{"id": 1, "updated_at": "2026-11-25T18:29:15.413453+00:00", "updated_by": "postgres", "vat_rate_chli": 8.10, "threema_message_chf": 0.00000, "tenant_setup_fee_chf": 0.00, "tenant_monthly_fee_chf": 49.00}', 'postgres', '2026-11-25 18:29:15.414025+00');
INSERT INTO ledger.removals VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 'audit', '2026-11-22 09:26:05.43358+00', NULL, NULL, '2026-11-25 18:29:15.185239+00');
INSERT INTO ledger.removals VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 'audit', '2026-11-22 09:26:08.410822+00', NULL, NULL, '2026-11-25 18:29:15.185516+00');
INSERT INTO ledger.removals VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 'audit', '2026-11-22 09:26:08.41613+00', NULL, NULL, '2026-11-25 18:29:15.185523+00');
INSERT INTO ledger.removals VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 'audit', '2026-11-22 09:26:08.420762+00', NULL, NULL, '2026-11-25 18:29:15.185528+00');
INSERT INTO ledger.removals VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 'audit', '2026-11-22 09:26:59.42252+00', NULL, NULL, '2026-11-25 18:29:15.185534+00');
INSERT INTO ledger.removals VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 'audit', '2026-11-22 09:27:02.417187+00', NULL, NULL, '2026-11-25 18:29:15.185538+00');
INSERT INTO ledger.removals VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 'audit', '2026-11-22 09:27:02.422602+00', NULL, NULL, '2026-11-25 18:29:15.185542+00');
INSERT INTO ledger.removals VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 'audit', '2026-11-22 09:27:02.427357+00', NULL, NULL, '2026-11-25 18:29:15.185545+00');
INSERT INTO ledger.removals VALUES ('00000003-0000-4000-8000-000000000000', 'watch', '2026-11-25 18:29:15.384864+00', 4, '2026-11-25 18:29:12.831167+00', '2026-11-25 18:29:15.389014+00');
INSERT INTO ledger.segments VALUES (103, '2026-11-25 18:29:12.813164+00', 107, '2026-11-25 18:29:15.384864+00');
INSERT INTO ledger.sightings VALUES ('00000001-0000-4000-8000-000000000000', 2, 'late', '2026-11-25 18:29:12.816033+00', NULL, '2026-11-25 18:29:12.834072+00');
INSERT INTO ledger.sightings VALUES ('00000002-0000-4000-8000-000000000000', 1, 'late', '2026-11-25 18:29:12.816033+00', NULL, '2026-11-25 18:29:12.834204+00');
INSERT INTO ledger.sightings VALUES ('00000003-0000-4000-8000-000000000000', 4, 'late', '2026-11-25 18:29:12.816033+00', NULL, '2026-11-25 18:29:12.834211+00');
INSERT INTO ledger.sightings VALUES ('00000001-0000-4000-8000-000000000000', 2, 'late', '2026-11-25 18:29:14.39625+00', NULL, '2026-11-25 18:29:14.403229+00');
INSERT INTO ledger.sightings VALUES ('00000002-0000-4000-8000-000000000000', 1, 'late', '2026-11-25 18:29:14.39625+00', NULL, '2026-11-25 18:29:14.403306+00');
INSERT INTO ledger.sightings VALUES ('00000003-0000-4000-8000-000000000000', 4, 'late', '2026-11-25 18:29:14.39625+00', NULL, '2026-11-25 18:29:14.403311+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 1, 'audit', '2026-11-22 09:25:50.382949+00', NULL, '2026-11-25 18:29:15.188454+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 2, 'audit', '2026-11-22 09:25:51.674105+00', NULL, '2026-11-25 18:29:15.188509+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 3, 'audit', '2026-11-22 09:25:52.998856+00', NULL, '2026-11-25 18:29:15.188513+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 4, 'audit', '2026-11-22 09:25:54.280484+00', NULL, '2026-11-25 18:29:15.188517+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 4, 'audit', '2026-11-22 09:25:55.557089+00', NULL, '2026-11-25 18:29:15.188521+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 5, 'audit', '2026-11-22 09:25:56.917113+00', NULL, '2026-11-25 18:29:15.188525+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 5, 'audit', '2026-11-22 09:25:58.188185+00', NULL, '2026-11-25 18:29:15.188529+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 5, 'audit', '2026-11-22 09:25:59.464171+00', NULL, '2026-11-25 18:29:15.188532+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 5, 'audit', '2026-11-22 09:26:01.21443+00', NULL, '2026-11-25 18:29:15.188536+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 6, 'audit', '2026-11-22 09:26:02.493674+00', NULL, '2026-11-25 18:29:15.18854+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 6, 'audit', '2026-11-22 09:26:03.769826+00', NULL, '2026-11-25 18:29:15.188543+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 7, 'audit', '2026-11-22 09:26:04.156855+00', NULL, '2026-11-25 18:29:15.188547+00');
INSERT INTO ledger.sightings VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 1, 'audit', '2026-11-22 09:26:06.701517+00', NULL, '2026-11-25 18:29:15.188551+00');
INSERT INTO ledger.sightings VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 1, 'audit', '2026-11-22 09:26:07.269126+00', NULL, '2026-11-25 18:29:15.188557+00');
INSERT INTO ledger.sightings VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 1, 'audit', '2026-11-22 09:26:07.340184+00', NULL, '2026-11-25 18:29:15.188561+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 1, 'audit', '2026-11-22 09:26:44.563339+00', NULL, '2026-11-25 18:29:15.188565+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 2, 'audit', '2026-11-22 09:26:45.842982+00', NULL, '2026-11-25 18:29:15.188568+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 3, 'audit', '2026-11-22 09:26:47.123912+00', NULL, '2026-11-25 18:29:15.188572+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 4, 'audit', '2026-11-22 09:26:48.39864+00', NULL, '2026-11-25 18:29:15.188575+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 4, 'audit', '2026-11-22 09:26:49.671156+00', NULL, '2026-11-25 18:29:15.188579+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 5, 'audit', '2026-11-22 09:26:50.942002+00', NULL, '2026-11-25 18:29:15.188583+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 5, 'audit', '2026-11-22 09:26:52.221754+00', NULL, '2026-11-25 18:29:15.188586+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 5, 'audit', '2026-11-22 09:26:53.487516+00', NULL, '2026-11-25 18:29:15.18859+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 5, 'audit', '2026-11-22 09:26:55.208612+00', NULL, '2026-11-25 18:29:15.188594+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 6, 'audit', '2026-11-22 09:26:56.495007+00', NULL, '2026-11-25 18:29:15.188599+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 6, 'audit', '2026-11-22 09:26:57.785548+00', NULL, '2026-11-25 18:29:15.188604+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 7, 'audit', '2026-11-22 09:26:58.15254+00', NULL, '2026-11-25 18:29:15.188607+00');
INSERT INTO ledger.sightings VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 1, 'audit', '2026-11-22 09:27:00.692352+00', NULL, '2026-11-25 18:29:15.188611+00');
INSERT INTO ledger.sightings VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 1, 'audit', '2026-11-22 09:27:01.27428+00', NULL, '2026-11-25 18:29:15.188615+00');
INSERT INTO ledger.sightings VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 1, 'audit', '2026-11-22 09:27:01.346075+00', NULL, '2026-11-25 18:29:15.188621+00');
INSERT INTO ledger.sightings VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 1, 'audit', '2026-11-22 09:27:03.502527+00', NULL, '2026-11-25 18:29:15.188625+00');
INSERT INTO ledger.sightings VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 1, 'audit', '2026-11-22 09:27:03.56736+00', NULL, '2026-11-25 18:29:15.188629+00');
INSERT INTO ledger.sightings VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 4, 'suspended_at', '2026-11-22 09:25:55+00', NULL, '2026-11-25 18:29:15.188634+00');
INSERT INTO ledger.sightings VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 4, 'suspended_at', '2026-11-22 09:26:49+00', NULL, '2026-11-25 18:29:15.18864+00');
INSERT INTO ledger.sightings VALUES ('00000001-0000-4000-8000-000000000000', 3, 'watch', '2026-11-25 18:29:15.384864+00', '2026-11-25 18:29:12.831167+00', '2026-11-25 18:29:15.389604+00');
INSERT INTO ledger.sightings VALUES ('00000002-0000-4000-8000-000000000000', 2, 'watch', '2026-11-25 18:29:15.384864+00', '2026-11-25 18:29:12.831167+00', '2026-11-25 18:29:15.389706+00');
INSERT INTO ledger.sightings VALUES ('00000004-0000-4000-8000-000000000000', 1, 'watch', '2026-11-25 18:29:15.384864+00', '2026-11-25 18:29:12.831167+00', '2026-11-25 18:29:15.389712+00');
INSERT INTO ledger.tenants VALUES ('00000001-0000-4000-8000-000000000000', 'tenant-1', '2026-11-20 10:00:00+00', '2026-11-25 18:29:12.833783+00');
INSERT INTO ledger.tenants VALUES ('00000002-0000-4000-8000-000000000000', 'tenant-2', '2026-11-20 10:00:00+00', '2026-11-25 18:29:12.83389+00');
INSERT INTO ledger.tenants VALUES ('00000003-0000-4000-8000-000000000000', 'tenant-3', '2026-11-20 10:00:00+00', '2026-11-25 18:29:12.833899+00');
INSERT INTO ledger.tenants VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '2026-11-22 09:25:50+00', '2026-11-25 18:29:15.188111+00');
INSERT INTO ledger.tenants VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 'acme', '2026-11-22 09:26:06+00', '2026-11-25 18:29:15.188163+00');
INSERT INTO ledger.tenants VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 'beta', '2026-11-22 09:26:07+00', '2026-11-25 18:29:15.188169+00');
INSERT INTO ledger.tenants VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 'gamma', '2026-11-22 09:26:07+00', '2026-11-25 18:29:15.188174+00');
INSERT INTO ledger.tenants VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '2026-11-22 09:26:44+00', '2026-11-25 18:29:15.188178+00');
INSERT INTO ledger.tenants VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 'acme', '2026-11-22 09:27:00+00', '2026-11-25 18:29:15.188196+00');
INSERT INTO ledger.tenants VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 'beta', '2026-11-22 09:27:01+00', '2026-11-25 18:29:15.188201+00');
INSERT INTO ledger.tenants VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 'gamma', '2026-11-22 09:27:01+00', '2026-11-25 18:29:15.188205+00');
INSERT INTO ledger.tenants VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 'delta', '2026-11-22 09:27:03+00', '2026-11-25 18:29:15.18821+00');
INSERT INTO ledger.tenants VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 'epsilon', '2026-11-22 09:27:03+00', '2026-11-25 18:29:15.188214+00');
INSERT INTO ledger.tenants VALUES ('00000004-0000-4000-8000-000000000000', 'tenant-4', '2026-11-20 10:00:00+00', '2026-11-25 18:29:15.389565+00');
INSERT INTO public.platform_pricing VALUES (1, 49.00, 0.00, 0.00000, 8.10, '2026-11-25 18:29:15.413453+00', 'postgres');
INSERT INTO public.tenant_billing_lifecycle VALUES ('00000001-0000-4000-8000-000000000000', 'tenant-1', 'org-1', '2026-11-20 10:00:00+00', NULL, NULL, NULL, 'list', '2026-11-25 18:29:14.440872+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('00000002-0000-4000-8000-000000000000', 'tenant-2', 'org-2', '2026-11-20 10:00:00+00', NULL, NULL, NULL, 'list', '2026-11-25 18:29:14.441088+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', '2026-11-22 09:25:50+00', '2026-11-22 09:26:04+00', NULL, 'deletion', 'audit', '2026-11-25 18:29:15.222056+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 'acme', '999000111', '2026-11-22 09:26:06+00', '2026-11-22 09:26:08.410822+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.222121+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('8ddbc961-67b7-4662-af09-480a6d1d7752', 'beta', '555', '2026-11-22 09:26:07+00', '2026-11-22 09:26:08.41613+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.222128+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('7717f98d-e654-4fe1-bdc6-ea993cefd5db', 'gamma', '555', '2026-11-22 09:26:07+00', '2026-11-22 09:26:08.420762+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.222133+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', '2026-11-22 09:26:44+00', '2026-11-22 09:26:58+00', NULL, 'deletion', 'audit', '2026-11-25 18:29:15.222138+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('68770820-540f-4018-9792-83752f1fb0fb', 'acme', '999000111', '2026-11-22 09:27:00+00', '2026-11-22 09:27:02.417187+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.222143+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('9f4cf403-08e4-4092-ab6b-988bc838fe52', 'beta', '555', '2026-11-22 09:27:01+00', '2026-11-22 09:27:02.422602+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.222148+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('9585e640-30f2-43f3-b795-54c7cdaec9ce', 'gamma', '555', '2026-11-22 09:27:01+00', '2026-11-22 09:27:02.427357+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.222153+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 'delta', '555', '2026-11-22 09:27:03+00', NULL, NULL, NULL, 'audit', '2026-11-25 18:29:15.222158+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('da31158d-6525-4b1a-9dd3-d42157829ec2', 'epsilon', '555', '2026-11-22 09:27:03+00', NULL, NULL, NULL, 'audit', '2026-11-25 18:29:15.222165+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('00000003-0000-4000-8000-000000000000', 'tenant-3', 'org-1', '2026-11-20 10:00:00+00', '2026-11-25 18:29:15.384864+00', '2026-11-25 18:29:12.831167+00', 'watch', 'list', '2026-11-25 18:29:14.441096+00');
INSERT INTO public.tenant_billing_lifecycle VALUES ('00000004-0000-4000-8000-000000000000', 'tenant-4', 'org-3', '2026-11-20 10:00:00+00', NULL, NULL, NULL, 'watch', '2026-11-25 18:29:15.394111+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (1, '00000001-0000-4000-8000-000000000000', 'tenant-1', 'org-1', 'jitsi', 'enabled', 2, '2026-11-20 10:00:00+00', NULL, 'assumed', 'list', '2026-11-25 18:29:14.421697+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (2, '00000001-0000-4000-8000-000000000000', 'tenant-1', 'org-1', 'wiki', 'enabled', 2, '2026-11-20 10:00:00+00', NULL, 'assumed', 'list', '2026-11-25 18:29:14.42189+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (3, '00000002-0000-4000-8000-000000000000', 'tenant-2', 'org-2', 'threema', 'enabled', 1, '2026-11-20 10:00:00+00', NULL, 'creation', 'list', '2026-11-25 18:29:14.421899+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (4, '00000003-0000-4000-8000-000000000000', 'tenant-3', 'org-1', 'jitsi', 'enabled', 4, '2026-11-20 10:00:00+00', NULL, 'assumed', 'list', '2026-11-25 18:29:14.421905+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (5, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'searxng-local-search', 'enabled', 1, '2026-11-22 09:26:44+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214782+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (6, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'threema', 'enabled', 1, '2026-11-22 09:26:44+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.21488+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (7, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'nextcloud', 'enabled', 2, '2026-11-22 09:26:45.842982+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214889+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (8, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'threema', 'disabled', 3, '2026-11-22 09:26:47.123912+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214896+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (9, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'jitsi', 'enabled', 6, '2026-11-22 09:26:56.495007+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214902+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (10, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'nextcloud', 'disabled', 6, '2026-11-22 09:26:56.495007+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214908+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (11, '68770820-540f-4018-9792-83752f1fb0fb', 'acme', '999000111', 'jitsi', 'enabled', 1, '2026-11-22 09:27:00+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214914+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (12, '7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 'delta', '555', 'jitsi', 'enabled', 1, '2026-11-22 09:27:03+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214928+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (13, '7860a1a9-e89c-4d2c-ad58-f3fa0fd06a99', 'delta', '555', 'nextcloud', 'enabled', 1, '2026-11-22 09:27:03+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214934+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (14, '8ddbc961-67b7-4662-af09-480a6d1d7752', 'beta', '555', 'jitsi', 'enabled', 1, '2026-11-22 09:26:07+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.21494+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (15, '8ddbc961-67b7-4662-af09-480a6d1d7752', 'beta', '555', 'nextcloud', 'enabled', 1, '2026-11-22 09:26:07+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214946+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (16, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'searxng-local-search', 'enabled', 1, '2026-11-22 09:25:50+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214952+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (17, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'threema', 'enabled', 1, '2026-11-22 09:25:50+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214958+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (18, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'nextcloud', 'enabled', 2, '2026-11-22 09:25:51.674105+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214965+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (19, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'threema', 'disabled', 3, '2026-11-22 09:25:52.998856+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214971+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (20, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'jitsi', 'enabled', 6, '2026-11-22 09:26:02.493674+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214976+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (21, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'nextcloud', 'disabled', 6, '2026-11-22 09:26:02.493674+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.214985+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (22, '9f4cf403-08e4-4092-ab6b-988bc838fe52', 'beta', '555', 'jitsi', 'enabled', 1, '2026-11-22 09:27:01+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214991+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (23, '9f4cf403-08e4-4092-ab6b-988bc838fe52', 'beta', '555', 'nextcloud', 'enabled', 1, '2026-11-22 09:27:01+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.214997+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (24, 'efe14f08-b97a-4d9c-9738-dbd9b94b3bb7', 'acme', '999000111', 'jitsi', 'enabled', 1, '2026-11-22 09:26:06+00', NULL, 'creation', 'audit', '2026-11-25 18:29:15.215004+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (25, '00000001-0000-4000-8000-000000000000', 'tenant-1', 'org-1', 'wiki', 'disabled', 3, '2026-11-25 18:29:15.384864+00', '2026-11-25 18:29:12.831167+00', 'watch', 'watch', '2026-11-25 18:29:15.391824+00');
INSERT INTO public.tenant_skill_events OVERRIDING SYSTEM VALUE VALUES (26, '00000004-0000-4000-8000-000000000000', 'tenant-4', 'org-3', 'nextcloud', 'enabled', 1, '2026-11-20 10:00:00+00', '2026-11-20 10:00:00+00', 'creation', 'watch', '2026-11-25 18:29:15.391915+00');
INSERT INTO public.tenant_suspension_events OVERRIDING SYSTEM VALUE VALUES (1, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'suspended', 4, '2026-11-22 09:26:48.39864+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.21504+00');
INSERT INTO public.tenant_suspension_events OVERRIDING SYSTEM VALUE VALUES (2, '14013783-c89e-4f50-b1bb-4bcbcdaed690', 'acme', '283746501', 'resumed', 5, '2026-11-22 09:26:50.942002+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.215252+00');
INSERT INTO public.tenant_suspension_events OVERRIDING SYSTEM VALUE VALUES (3, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'suspended', 4, '2026-11-22 09:25:54.280484+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.21526+00');
INSERT INTO public.tenant_suspension_events OVERRIDING SYSTEM VALUE VALUES (4, '902d20c7-e19a-466e-9a44-ad7e16456a98', 'acme', '283746501', 'resumed', 5, '2026-11-22 09:25:56.917113+00', NULL, 'audit', 'audit', '2026-11-25 18:29:15.215266+00');
INSERT INTO public.tenant_suspension_events OVERRIDING SYSTEM VALUE VALUES (5, '00000002-0000-4000-8000-000000000000', 'tenant-2', 'org-2', 'suspended', 2, '2026-11-25 18:29:15.384864+00', '2026-11-25 18:29:12.831167+00', 'watch', 'watch', '2026-11-25 18:29:15.391973+00');
SELECT pg_catalog.setval('ledger.anomalies_id_seq', 1, true);
SELECT pg_catalog.setval('ledger.backfills_id_seq', 1, true);
SELECT pg_catalog.setval('ledger.pricing_history_id_seq', 2, true);
SELECT pg_catalog.setval('public.invoice_lines_id_seq', 1, false);
SELECT pg_catalog.setval('public.invoice_reminders_id_seq', 1, false);
SELECT pg_catalog.setval('public.invoices_id_seq', 1, false);
SELECT pg_catalog.setval('public.org_payment_methods_id_seq', 1, false);
SELECT pg_catalog.setval('public.tenant_skill_events_id_seq', 26, true);
SELECT pg_catalog.setval('public.tenant_suspension_events_id_seq', 5, true);
ALTER TABLE ONLY ledger.anomalies
    ADD CONSTRAINT anomalies_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ledger.attributions
    ADD CONSTRAINT attributions_tenant_uid_resource_version_source_request_key_key UNIQUE (tenant_uid, resource_version, source, request_key);
ALTER TABLE ONLY ledger.backfills
    ADD CONSTRAINT backfills_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ledger.censuses
    ADD CONSTRAINT censuses_pkey PRIMARY KEY (version, sent_at);
ALTER TABLE ONLY ledger.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ledger.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY ledger.observations
    ADD CONSTRAINT observations_pkey PRIMARY KEY (tenant_uid, generation);
ALTER TABLE ONLY ledger.orgs
    ADD CONSTRAINT orgs_pkey PRIMARY KEY (tenant_uid, resource_version);
ALTER TABLE ONLY ledger.pricing_history
    ADD CONSTRAINT pricing_history_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ledger.removals
    ADD CONSTRAINT removals_pkey PRIMARY KEY (tenant_uid, source, at);
ALTER TABLE ONLY ledger.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (from_version, from_at);
ALTER TABLE ONLY ledger.sightings
    ADD CONSTRAINT sightings_pkey PRIMARY KEY (tenant_uid, generation, source, at);
ALTER TABLE ONLY ledger.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant_uid);
ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_lines_invoice_id_position_key UNIQUE (invoice_id, "position");
ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_lines_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invoice_number_counters
    ADD CONSTRAINT invoice_number_counters_pkey PRIMARY KEY (year);
ALTER TABLE ONLY public.invoice_reminders
    ADD CONSTRAINT invoice_reminders_invoice_id_level_key UNIQUE (invoice_id, level);
ALTER TABLE ONLY public.invoice_reminders
    ADD CONSTRAINT invoice_reminders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_invoice_number_key UNIQUE (invoice_number);
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_number_year_number_seq_key UNIQUE (number_year, number_seq);
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_stripe_payment_intent_id_key UNIQUE (stripe_payment_intent_id);
ALTER TABLE ONLY public.org_billing_config
    ADD CONSTRAINT org_billing_config_pkey PRIMARY KEY (zitadel_org_id);
ALTER TABLE ONLY public.org_billing_config
    ADD CONSTRAINT org_billing_config_stripe_customer_id_key UNIQUE (stripe_customer_id);
ALTER TABLE ONLY public.org_payment_methods
    ADD CONSTRAINT org_payment_methods_one_default EXCLUDE USING btree (zitadel_org_id WITH =) WHERE (is_default) DEFERRABLE;
ALTER TABLE ONLY public.org_payment_methods
    ADD CONSTRAINT org_payment_methods_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.org_payment_methods
    ADD CONSTRAINT org_payment_methods_stripe_payment_method_id_key UNIQUE (stripe_payment_method_id);
ALTER TABLE ONLY public.platform_pricing
    ADD CONSTRAINT platform_pricing_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.skill_pricing
    ADD CONSTRAINT skill_pricing_pkey PRIMARY KEY (skill_id);
ALTER TABLE ONLY public.tenant_billing_lifecycle
    ADD CONSTRAINT tenant_billing_lifecycle_pkey PRIMARY KEY (tenant_uid);
ALTER TABLE ONLY public.tenant_skill_events
    ADD CONSTRAINT tenant_skill_events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tenant_skill_events
    ADD CONSTRAINT tenant_skill_events_tenant_uid_generation_skill_id_key UNIQUE (tenant_uid, generation, skill_id);
ALTER TABLE ONLY public.tenant_suspension_events
    ADD CONSTRAINT tenant_suspension_events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tenant_suspension_events
    ADD CONSTRAINT tenant_suspension_events_tenant_uid_generation_key UNIQUE (tenant_uid, generation);
CREATE UNIQUE INDEX anomalies_once ON ledger.anomalies USING btree (kind, COALESCE(tenant_uid, '00000000-0000-0000-0000-000000000000'::uuid), md5((detail)::text));
CREATE INDEX attributions_generation ON ledger.attributions USING btree (tenant_uid, COALESCE(generation, (0)::bigint), resource_version);
CREATE INDEX censuses_held ON ledger.censuses USING btree (sent_at) WHERE held;
CREATE INDEX observations_deletion ON ledger.observations USING btree (tenant_uid, deletion_requested_at) WHERE (deletion_requested_at IS NOT NULL);
CREATE INDEX orgs_generation ON ledger.orgs USING btree (tenant_uid, generation, resource_version);
CREATE INDEX segments_newest ON ledger.segments USING btree (to_at DESC, to_version DESC);
CREATE INDEX sightings_not_before ON ledger.sightings USING btree (tenant_uid, not_before) WHERE (not_before IS NOT NULL);
CREATE INDEX tenants_name ON ledger.tenants USING btree (tenant_name, created_at);
CREATE INDEX invoice_lines_corrects ON public.invoice_lines USING btree (corrects_line_id) WHERE (corrects_line_id IS NOT NULL);
CREATE INDEX invoices_corrects ON public.invoices USING btree (corrects_invoice_id) WHERE (corrects_invoice_id IS NOT NULL);
CREATE INDEX invoices_org ON public.invoices USING btree (zitadel_org_id, issue_date DESC);
CREATE INDEX tenant_billing_lifecycle_name ON public.tenant_billing_lifecycle USING btree (tenant_name, created_at);
CREATE UNIQUE INDEX tenant_billing_lifecycle_one_live ON public.tenant_billing_lifecycle USING btree (tenant_name) WHERE (deleted_at IS NULL);
CREATE INDEX tenant_skill_events_name ON public.tenant_skill_events USING btree (tenant_name, id DESC);
CREATE INDEX tenant_suspension_events_name ON public.tenant_suspension_events USING btree (tenant_name, id DESC);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.anomalies FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.anomalies ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.attributions FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.attributions ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.migrations FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.migrations ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.observations FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.observations ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.orgs FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.orgs ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.pricing_history FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.pricing_history ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.removals FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.removals ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.sightings FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.sightings ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.tenants FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.tenants ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.invoice_lines FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('Lines are append-only: correct one with a line of a credit note.');
ALTER TABLE public.invoice_lines ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.invoice_reminders FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('A reminder that was sent was sent: send the next level.');
ALTER TABLE public.invoice_reminders ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.tenant_skill_events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE public.tenant_skill_events ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.tenant_suspension_events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE public.tenant_suspension_events ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER frozen BEFORE UPDATE ON public.invoices FOR EACH ROW EXECUTE FUNCTION ledger.freeze_invoice();
ALTER TABLE public.invoices ENABLE ALWAYS TRIGGER frozen;
CREATE TRIGGER guarded BEFORE INSERT OR UPDATE ON public.invoice_number_counters FOR EACH ROW EXECUTE FUNCTION ledger.guard_counter();
ALTER TABLE public.invoice_number_counters ENABLE ALWAYS TRIGGER guarded;
CREATE TRIGGER guarded BEFORE UPDATE ON public.tenant_billing_lifecycle FOR EACH ROW EXECUTE FUNCTION ledger.guard_lifecycle();
ALTER TABLE public.tenant_billing_lifecycle ENABLE ALWAYS TRIGGER guarded;
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.invoice_number_counters FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('Numbers that were drawn stay drawn.');
ALTER TABLE public.invoice_number_counters ENABLE ALWAYS TRIGGER kept;
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.invoices FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('An issued invoice stays: cancel it, or issue a credit note.');
ALTER TABLE public.invoices ENABLE ALWAYS TRIGGER kept;
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.org_payment_methods FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('A method that is gone keeps its row: set detached_at.');
ALTER TABLE public.org_payment_methods ENABLE ALWAYS TRIGGER kept;
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.tenant_billing_lifecycle FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('A tenant that is gone keeps its row: set deleted_at.');
ALTER TABLE public.tenant_billing_lifecycle ENABLE ALWAYS TRIGGER kept;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.skill_pricing FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('Each price has a history: DELETE the rows.');
ALTER TABLE public.skill_pricing ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER one_row BEFORE DELETE OR TRUNCATE ON public.platform_pricing FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('The platform has one row of prices: UPDATE it.');
ALTER TABLE public.platform_pricing ENABLE ALWAYS TRIGGER one_row;
CREATE TRIGGER recorded AFTER INSERT OR DELETE OR UPDATE ON public.platform_pricing FOR EACH ROW EXECUTE FUNCTION ledger.record_price();
ALTER TABLE public.platform_pricing ENABLE ALWAYS TRIGGER recorded;
CREATE TRIGGER recorded AFTER INSERT OR DELETE OR UPDATE ON public.skill_pricing FOR EACH ROW EXECUTE FUNCTION ledger.record_price();
ALTER TABLE public.skill_pricing ENABLE ALWAYS TRIGGER recorded;
CREATE TRIGGER stamped BEFORE UPDATE ON public.org_billing_config FOR EACH ROW EXECUTE FUNCTION ledger.stamp_update();
ALTER TABLE public.org_billing_config ENABLE ALWAYS TRIGGER stamped;
CREATE TRIGGER stamped BEFORE UPDATE ON public.platform_pricing FOR EACH ROW EXECUTE FUNCTION ledger.stamp_price();
ALTER TABLE public.platform_pricing ENABLE ALWAYS TRIGGER stamped;
CREATE TRIGGER stamped BEFORE UPDATE ON public.skill_pricing FOR EACH ROW EXECUTE FUNCTION ledger.stamp_price();
ALTER TABLE public.skill_pricing ENABLE ALWAYS TRIGGER stamped;
ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_lines_corrects_line_id_fkey FOREIGN KEY (corrects_line_id) REFERENCES public.invoice_lines(id);
ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES public.invoices(id);
ALTER TABLE ONLY public.invoice_reminders
    ADD CONSTRAINT invoice_reminders_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES public.invoices(id);
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_corrects_invoice_id_fkey FOREIGN KEY (corrects_invoice_id) REFERENCES public.invoices(id);
ALTER TABLE ONLY public.org_payment_methods
    ADD CONSTRAINT org_payment_methods_zitadel_org_id_fkey FOREIGN KEY (zitadel_org_id) REFERENCES public.org_billing_config(zitadel_org_id);
